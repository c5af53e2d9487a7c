"""What a register can be grouped by: the same from items and from rollups, at any moment."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.aggregator.aggregate import Aggregator
from services.aggregator.catalogue import Catalogue
from services.aggregator.planner import Wish
from services.aggregator.sessions import open_sessions
from services.aggregator.settings import AggregatorSettings
from shared.contracts.dimensions import AggregateDimensions
from shared.database.pool import Database
from shared.database.replica import ReadSources
from shared.errors import DeadlineExceededError, NotFoundError
from shared.rollups.grid import Grain, Grid
from shared.settings import DatabaseSettings
from tests.integration.aggregator.register_under_test import (
    MakeRegister,
    Register,
    Row,
    add_items,
    instant,
)
from tests.integration.aggregator.test_aggregate_rollups import COLUMN_SETS, _define, _fold
from tests.integration.aggregator.test_aggregate_second_opinion import (
    LABELS,
    ODD,
    SEED,
    VALUES,
    Chance,
)
from tests.roles import as_role

NOON = instant("2024-03-10T12:00:00Z")
# Outside of what rollups cover.
LONG_AGO, FAR_AHEAD = instant("1950-01-01T00:00:00Z"), instant("2150-01-01T00:00:00Z")


@pytest.fixture(scope="session")
def catalogue(sessions: ReadSources) -> Catalogue:
    return Catalogue(sessions, AggregatorSettings())


async def ask(catalogue: Catalogue, register: Register, **asked: Any) -> Any:
    outcome = await catalogue.answer(question(register, **asked))
    assert outcome.body is not None
    return {**json.loads(outcome.body), "plan": outcome.plan and outcome.plan.name}


def question(register: Register, seconds: float = 30, **asked: Any) -> AggregateDimensions:
    return AggregateDimensions(
        store_id=register.store_id,
        register_id=register.register_id,
        deadline=datetime.now(UTC) + timedelta(seconds=seconds),
        **asked,
    )


def row(at: datetime, *values: str | None) -> Row:
    return (at, Decimal(1), *values)


async def test_the_labels_and_their_values(
    make_register: MakeRegister, catalogue: Catalogue
) -> None:
    rows = [
        row(NOON, "b", None),
        row(NOON + timedelta(days=1), "a", None),
        row(NOON - timedelta(days=1), None, None),
        row(NOON, "b", None),
    ]
    register = await make_register(["account", "warehouse"], rows)
    assert await ask(catalogue, register) == {
        "dimensions": [
            {
                "label": "account",
                "column": "meta0",
                "values": 2,
                "items": 3,
                "first_originated_at": "2024-03-10T12:00:00+00:00",
                "last_originated_at": "2024-03-11T12:00:00+00:00",
                "is_exact": True,
            },
            {
                "label": "warehouse",
                "column": "meta1",
                "values": 0,
                "items": 0,
                "first_originated_at": None,
                "last_originated_at": None,
                "is_exact": True,
            },
        ],
        "plan": "raw",
    }
    assert await ask(catalogue, register, label="account") == {
        "label": "account",
        "column": "meta0",
        "values": [{"value": "a", "items": 1}, {"value": "b", "items": 2}],
        "is_exact": True,
        "next_after": None,
        "plan": "raw",
    }


@pytest.mark.parametrize("is_kept", [False, True])
async def test_pages_by_code_point_and_prefix(
    make_register: MakeRegister, database: Database, catalogue: Catalogue, is_kept: bool
) -> None:
    values = ["B", "a", "a%", "a_", "ab", "a\uffff", "a\U0001d518", "b", "é"]
    register = await make_register(["account"], [row(NOON, value) for value in values])
    if is_kept:
        await _define(database, register, (Grid(Grain.DAY, "UTC"), {"meta0"}))
        await _fold(database, register)
    pages, after = [], ""
    while after is not None:
        page = await ask(catalogue, register, label="account", limit=2, after=after)
        assert page["plan"] == ("columns" if is_kept else "raw")
        pages.append([one["value"] for one in page["values"]])
        after = page["next_after"]
    assert [value for page in pages for value in page] == sorted(values)
    assert [len(page) for page in pages] == [2, 2, 2, 2, 1]
    begun = await ask(catalogue, register, label="account", prefix="a%")
    assert [one["value"] for one in begun["values"]] == ["a%"], "a prefix is no pattern"
    behind = await ask(catalogue, register, label="account", prefix="a", after="ab")
    assert [one["value"] for one in behind["values"]] == ["a\uffff", "a\U0001d518"]


async def test_it_agrees_with_plain_python_while_items_arrive(
    make_register: MakeRegister, database: Database, catalogue: Catalogue
) -> None:
    print(f"AGGREGATE_SEED={SEED}")  # noqa: T201 - shown when it fails
    chance = Chance(SEED + 3)
    plans = set()
    for number in range(12):
        centre = datetime.fromisoformat(ODD[number % len(ODD)][1])
        zone = ODD[number % len(ODD)][0]
        register = await make_register(LABELS)
        await _define(
            database,
            register,
            *((Grid(Grain.DAY, zone), set(chance.choice(COLUMN_SETS))) for _ in range(2)),
        )
        rows: list[Row] = []
        for _ in range(5):
            came = [
                row(
                    chance.choice([LONG_AGO, FAR_AHEAD, *[chance.moment(centre)] * 8]),
                    *(chance.choice(VALUES) for _ in LABELS),
                )
                for _ in range(chance.choice([1, 10, 60]))
            ]
            await add_items(database, register, came)
            rows += came
            if chance.random() < 0.6:
                await _fold(database, register)
            shown = await ask(catalogue, register)
            plans.add(shown["plan"])
            for position, label in enumerate(LABELS):
                with_value = [one for one in rows if one[2 + position] is not None]
                moments = sorted(one[0] for one in with_value)
                ends = [None, None] if not moments else [moments[0], moments[-1]]
                counted = Counter(one[2 + position] for one in with_value)
                found = shown["dimensions"][position]
                assert found["is_exact"]
                assert (found["values"], found["items"]) == (len(counted), len(with_value))
                for name, end in zip(("first", "last"), ends, strict=True):
                    text = found[f"{name}_originated_at"]
                    assert (text and datetime.fromisoformat(text)) == end, (SEED, label, name)
                listed = await ask(catalogue, register, label=label)
                plans.add(listed["plan"])
                assert {one["value"]: one["items"] for one in listed["values"]} == counted
    assert plans == {"raw", "columns"}


async def test_of_a_large_register_it_says_what_it_looked_at(
    make_register: MakeRegister, database: Database, sessions: ReadSources
) -> None:
    modest = Catalogue(sessions, AggregatorSettings(), items_max=10)
    rows = [row(NOON + timedelta(hours=n), "ab"[n < 1], str(n)) for n in range(12)]
    register = await make_register(["account", "number"], rows)
    account, number = (await ask(modest, register))["dimensions"]
    assert (account["values"], account["items"], account["is_exact"]) == (1, 11, False)
    assert (number["values"], number["is_exact"]) == (11, False)
    outcome = await modest.answer(question(register, label="account"))
    assert json.loads(outcome.body or b"")["is_exact"] is False
    assert outcome.wish == Wish(Grid(Grain.DAY, "UTC"), ("meta0",))

    await _define(database, register, (Grid(Grain.DAY, "UTC"), {"meta0"}))
    await _fold(database, register)
    again = await modest.answer(question(register, label="account", if_none_match=outcome.etag))
    assert again.etag != outcome.etag, "a rollup makes it exact, and the register is the same"
    assert json.loads(again.body or b"")["values"] == [
        {"value": "a", "items": 11},
        {"value": "b", "items": 1},
    ]
    assert again.wish is None


async def test_what_is_not_there(make_register: MakeRegister, catalogue: Catalogue) -> None:
    register = await make_register(["account"])
    with pytest.raises(NotFoundError, match="no label meta0"):
        await ask(catalogue, register, label="meta0")
    stranger = Register(register.store_id + 10**9, register.register_id, register.aggregator)
    with pytest.raises(NotFoundError, match="no register"):
        await ask(catalogue, stranger)
    with pytest.raises(DeadlineExceededError):
        await catalogue.answer(question(register, seconds=-1))


async def test_it_is_planned_for_what_it_meets_also_behind_what_is_planned_once(
    make_register: MakeRegister, database: Database, database_settings: DatabaseSettings
) -> None:
    register = await make_register(["a"], [(NOON, Decimal(1), "x")])
    await _define(database, register, (Grid(Grain.HOUR), set()))
    await _fold(database, register)
    settings = AggregatorSettings(rollup_overhead_rows=-1, questions_max=1)
    own = as_role(database_settings, "aggregator")
    async with open_sessions(own, settings, name="sessions") as opened:
        sources = ReadSources(opened)
        totals = replace(register, aggregator=Aggregator(sources, settings))
        assert await totals.rows("item_count") == [["All", "All", 1]]
        answer = await ask(Catalogue(sources, settings), register, label="a")
        assert [value["value"] for value in answer["values"]] == ["x"]
        async with opened.acquire() as connection:
            planned = await connection.fetch(
                "SELECT statement ~ '^\\s+WITH state AS' AS is_once, generic_plans, custom_plans"
                " FROM pg_prepared_statements WHERE statement ~ 'FROM (register_items|rollup_rows)'"
            )
        ways = {(row["is_once"], row["generic_plans"], row["custom_plans"]) for row in planned}
        assert ways == {(True, 1, 0), (False, 0, 1)}
