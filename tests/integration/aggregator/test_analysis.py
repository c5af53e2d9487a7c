"""Analyses: examples by hand, limits, plans and wishes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.aggregator.aggregate import Outcome
from services.aggregator.analyse import Analyst
from services.aggregator.planner import Wish
from services.aggregator.sessions import open_sessions
from services.aggregator.settings import AggregatorSettings
from shared.database.pool import Database
from shared.database.replica import ReadSources
from shared.errors import DeadlineExceededError, InvalidArgumentError
from shared.rollups.folding import complete, registers_behind
from shared.rollups.grid import Grain, Grid
from shared.settings import DatabaseSettings
from tests.integration.aggregator.register_under_test import (
    MakeRegister,
    Register,
    add_items,
    instant,
)
from tests.integration.aggregator.test_aggregate_rollups import _define, _fold
from tests.integration.aggregator.test_analysis_second_opinion import analysis_of
from tests.roles import as_role

NOON = instant("2024-03-10T12:00:00Z")
YEAR = {"start_at": "2024-01-01T00:00:00Z", "end_at": "2024-12-31T23:59:59Z"}


def analyst_of(database: Database, **settings: Any) -> Analyst:
    return Analyst(ReadSources(database), AggregatorSettings(**settings))


async def ask(analyst: Analyst, register: Register, **asked: Any) -> Outcome:
    return await analyst.answer(analysis_of(register, {**YEAR, "measures": ["count"], **asked}))


async def said(analyst: Analyst, register: Register, **asked: Any) -> Any:
    outcome = await ask(analyst, register, **asked)
    assert outcome.body is not None
    return json.loads(outcome.body, parse_float=Decimal)


@pytest.fixture
async def year(make_register: MakeRegister, database: Database) -> Register:
    """Two items an hour through a year, in two accounts and three warehouses."""
    first = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        (
            first + timedelta(minutes=30 * number),
            Decimal(number) / 100,
            "ab"[number % 2],
            "xyz"[number % 3],
        )
        for number in range(2 * 24 * 366)
    ]
    return await make_register(["account", "warehouse"], rows)


async def test_the_bytes_of_an_answer(make_register: MakeRegister, database: Database) -> None:
    rows = [
        (NOON, Decimal("0.10"), 'a"\n', "x"),
        (NOON, Decimal("0.2"), 'a"\n', "x"),
        (NOON, Decimal("1000000000000000000000000000.01"), None, "x"),
    ]
    register = await make_register(["a", "b"], rows)
    outcome = await ask(
        analyst_of(database),
        register,
        measures=["max", "average", "sum", "count", "min"],
        group_by=["a", "b"],
        invert_sign=True,
    )
    assert outcome.body == (
        b'{"title":"Maximum, Average, Sum, Count, Minimum by A, B",'
        b'"measures":["max","average","sum","count","min"],"rows":['
        b'{"period":"All","group":["","x"],"values":{"max":-1000000000000000000000000000.01,'
        b'"average":-1000000000000000000000000000.01,"sum":-1000000000000000000000000000.01,'
        b'"count":1,"min":-1000000000000000000000000000.01}},'
        b'{"period":"All","group":["a\\"\\n","x"],"values":'
        b'{"max":-0.1,"average":-0.15,"sum":-0.3,"count":2,"min":-0.2}}]}'
    )


async def test_averages_that_differ_late_are_in_order(
    make_register: MakeRegister, database: Database
) -> None:
    """A third, and what is more than that in its 37th digit only."""
    more = Decimal("0." + "3" * 36 + "4")
    rows = [(NOON, Decimal(1), "a"), (NOON, Decimal(0), "a"), (NOON, Decimal(0), "a")]
    register = await make_register(["a"], [*rows, (NOON, more, "b")])
    for direction, groups in (("desc", ["b", "a"]), ("asc", ["a", "b"])):
        order = {"measure": "average", "direction": direction}
        answer = await said(
            analyst_of(database), register, measures=["average"], group_by=["a"], order=order
        )
        assert [row["group"] for row in answer["rows"]] == groups


async def test_without_columns_a_limit_gathers_nothing(
    make_register: MakeRegister, database: Database
) -> None:
    register = await make_register([], [(NOON, Decimal(1))])
    answer = await said(analyst_of(database), register, limit=1, totals=True)
    assert answer["rows"] == [{"period": "All", "group": "All", "values": {"count": 1}}]
    assert answer["totals"]["all"] == {"values": {"count": 1}}


@pytest.mark.parametrize(
    ("plan", "asked"),
    [
        ("totals-day", {"measures": ["sum"]}),
        ("columns-day", {"filter": {"label": "account", "eq": "a"}}),
        ("columns-day", {"group_by": ["account"], "filter": {"label": "warehouse", "not": "x"}}),
        ("columns-day", {"filter": {"label": "warehouse", "in": ["x"]}, "measures": ["average"]}),
        ("columns-day", {"group_by": ["warehouse"], "compare": "previous_period", "totals": True}),
        ("columns-day", {"group_by": ["account"], "measures": ["count", "min"]}),
        ("totals-day", {"measures": ["max"], "invert_sign": True}),
        ("totals-day", {"measures": ["average", "max"], "compare": "previous_period"}),
    ],
)
async def test_rollups_by_the_columns_of_groups_and_filter_are_read(
    year: Register, database: Database, plan: str, asked: dict[str, Any]
) -> None:
    await _define(
        database,
        year,
        (Grid(Grain.DAY, "UTC"), set()),
        (Grid(Grain.DAY, "UTC"), {"meta0", "meta1"}),
    )
    await _fold(database, year)
    await add_items(database, year, [(NOON, Decimal(7), "a", "x")])
    question = {**asked, "group_by_period": "month", "start_at": "2024-07-01T00:00:00Z"}
    outcome = await ask(analyst_of(database), year, **question)
    plain = await ask(analyst_of(database, rollup_overhead_rows=1_000_000), year, **question)
    assert outcome.plan is not None
    assert plain.plan is not None
    assert (outcome.plan.name, plain.plan.name) == (plan, "raw")
    assert outcome.body == plain.body
    assert outcome.etag == plain.etag


async def test_a_wish_has_the_columns_of_groups_and_filter(
    year: Register, database: Database
) -> None:
    # How much there is to read is known from a rollup of totals.
    await _define(database, year, (Grid(Grain.DAY, "UTC"), set()))
    await _fold(database, year)
    greedy = analyst_of(database, wish_rows_min=100)
    asked = {"group_by": ["warehouse"], "filter": {"or": [{"label": "account", "exists": True}]}}
    outcome = await ask(greedy, year, **asked)
    assert outcome.wish == Wish(Grid(Grain.DAY, "UTC"), ("meta0", "meta1"))
    assert (await ask(greedy, year, **asked, measures=["max"])).wish == outcome.wish


async def test_extremes_are_read_from_rollups_that_have_them(
    year: Register, database: Database
) -> None:
    """Of the rows that a rollup was filled with before, and of a recorder of before that folds
    beside those that know better: counts as ever, and extremes when it is built anew."""
    day = Grid(Grain.DAY, "UTC")
    await _define(database, year, (day, set()), (day, {"meta0"}))
    await _fold(database, year)
    analyst = analyst_of(database)

    async def taken(measure: str) -> tuple[str, list[Any]]:
        outcome = await ask(analyst, year, measures=[measure], group_by=["account"])
        assert outcome.plan is not None
        assert outcome.body is not None
        rows = json.loads(outcome.body, parse_float=Decimal)["rows"]
        return outcome.plan.name, [row["values"][measure] for row in rows]

    highest = [Decimal("175.66"), Decimal("175.67")]
    assert await taken("max") == ("columns-day", highest)
    await add_items(database, year, [(NOON, Decimal(1_000), "a", "x")])
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE rollup_rows SET items = items + 1, amount = amount + 1000 "
            "WHERE store_id = $1 AND bucket = '2024-03-10' AND k0 IN ('', 'a')",
            year.store_id,
        )
        await connection.execute(
            "UPDATE rollups SET synced_version = synced_version + 1 WHERE store_id = $1",
            year.store_id,
        )
    assert await taken("count") == ("columns-day", [8_785, 8_784])
    assert await taken("max") == ("raw", [1_000, highest[1]])
    assert (year.store_id, year.register_id) in await registers_behind(database, limit=1_000)
    # One that knows better folds on: what it lacks does not become whole by that.
    await add_items(database, year, [(NOON, Decimal(-1_000), "b", "x")])
    await _fold(database, year)
    assert await taken("min") == ("raw", [0, -1_000])
    await complete(database, year.store_id, year.register_id)
    assert await taken("min") == ("columns-day", [0, -1_000])
    assert await taken("max") == ("columns-day", [1_000, highest[1]])
    assert await taken("count") == ("columns-day", [8_785, 8_785])
    assert (year.store_id, year.register_id) not in await registers_behind(database, limit=1_000)


async def test_limits_are_told(year: Register, database: Database) -> None:
    tight = analyst_of(database, rows_max=30, periods_max=20)
    with pytest.raises(InvalidArgumentError, match="more than 20 periods"):
        await ask(tight, year, group_by_period="day")
    with pytest.raises(InvalidArgumentError, match="more than 30 rows: set a limit"):
        await ask(tight, year, group_by_period="month", group_by=["warehouse"])
    answer = await said(tight, year, group_by_period="month", group_by=["warehouse"], limit=1)
    assert len(answer["rows"]) == 24
    short = analyst_of(database, body_bytes_max=1_024)
    with pytest.raises(InvalidArgumentError, match="more than 1024 bytes"):
        await ask(short, year, group_by_period="month", group_by=["warehouse"])


async def test_a_limit_has_a_limit_too(make_register: MakeRegister, database: Database) -> None:
    register = await make_register(["n"], [(NOON, Decimal(n), f"{n:02}") for n in range(21)])
    asked = {"group_by": ["n"], "limit": 1, "order": {"measure": "sum"}, "measures": ["sum"]}
    with pytest.raises(InvalidArgumentError, match="more than 20 numbers to choose from"):
        await ask(analyst_of(database, rows_max=2), register, **asked)
    answer = await said(analyst_of(database, rows_max=3), register, **asked)
    assert [row["group"] for row in answer["rows"]] == ["20", "other"]


async def test_a_question_ends_with_its_deadline(year: Register, database: Database) -> None:
    asked = {**YEAR, "measures": ["count"]}
    late = analysis_of(year, asked).model_copy(update={"deadline": datetime.now(UTC)})
    with pytest.raises(DeadlineExceededError):
        await analyst_of(database).answer(late)


async def test_a_register_of_another_store_is_none(year: Register, database: Database) -> None:
    stranger = dataclasses.replace(year, store_id=year.store_id + 10**9)
    with pytest.raises(InvalidArgumentError, match="Invalid register_id") as refused:
        await ask(analyst_of(database), stranger, group_by=["account"])
    assert len(refused.value.details) == 1


async def test_many_at_once_say_the_same(year: Register, database: Database) -> None:
    analyst = analyst_of(database)
    asked = {"group_by": ["account"], "order": {"measure": "count"}, "compare": "previous_period"}
    answers = await asyncio.gather(*(ask(analyst, year, **asked) for _ in range(12)))
    assert len({answer.body for answer in answers}) == 1


async def test_only_analyses_of_totals_are_planned_once(
    year: Register, database: Database, database_settings: DatabaseSettings
) -> None:
    await _define(database, year, (Grid(Grain.HOUR), set()), (Grid(Grain.HOUR), {"meta0"}))
    await _fold(database, year)
    own = as_role(database_settings, "aggregator")
    settings = AggregatorSettings(rollup_overhead_rows=-1, questions_max=1)
    async with open_sessions(own, settings, name="sessions") as opened:
        analyst = Analyst(ReadSources(opened), settings)

        async def planned(**asked: Any) -> tuple[int, int]:
            """How often of three times for any values, and for those at hand."""
            for _ in range(3):
                await ask(analyst, year, group_by_period="month", totals=True, **asked)
            async with opened.acquire() as connection:
                last = await connection.fetchrow(
                    "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
                    " WHERE statement ~ '^\\s+WITH state AS' ORDER BY prepare_time DESC LIMIT 1"
                )
            assert last is not None
            return last["generic_plans"], last["custom_plans"]

        assert await planned(measures=["count", "sum", "max"]) == (3, 0)
        assert await planned(compare="previous_period") == (3, 0)
        assert await planned(group_by=["account"]) == (0, 3)
        assert await planned(filter={"label": "account", "eq": "a"}) == (0, 3)
        # By no rollup.
        assert await planned(filter={"label": "warehouse", "eq": "x"}) == (0, 3)


async def test_a_number_is_not_taken_for_a_text_that_was_asked_for_before(
    make_register: MakeRegister, database: Database
) -> None:
    rows = [(NOON, Decimal(1), "100"), (NOON, Decimal(2), "1E+2"), (NOON, Decimal(4), "1E+2")]
    register = await make_register(["account"], rows)
    analyst = analyst_of(database)
    for _ in range(2):
        for value, count in (("1E+2", 2), (Decimal("1E+2"), 1), ("100", 1)):
            answer = await said(analyst, register, filter={"label": "account", "eq": value})
            assert [row["values"]["count"] for row in answer["rows"]] == [count], value
