"""Answers from rollups: the same as from the items, at any moment, however far behind they are.

AGGREGATE_REGISTERS, AGGREGATE_SEED: as for the second opinion on raw rows.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import asyncpg
import pytest

from services.aggregator.aggregate import Aggregator
from services.aggregator.planner import TAIL_VERSIONS_MAX
from services.aggregator.sessions import open_sessions
from services.aggregator.settings import AggregatorSettings
from shared.database.pool import Database
from shared.database.replica import ReadSources
from shared.rollups import definitions
from shared.rollups.checking import check
from shared.rollups.folding import fold, rebuild
from shared.rollups.grid import Grain, Grid
from shared.settings import DatabaseSettings
from tests.integration.aggregator.register_under_test import (
    MakeRegister,
    Register,
    add_items,
    instant,
)
from tests.integration.aggregator.second_opinion import Item
from tests.integration.aggregator.test_aggregate_second_opinion import (
    LABELS,
    ODD,
    QUESTIONS,
    REGISTERS,
    SEED,
    VALUES,
    Chance,
    compare,
)
from tests.roles import as_role

COLUMNS = ("meta0", "meta1", "meta2")
COLUMN_SETS = [set_ for size in range(4) for set_ in combinations(COLUMNS, size)]


@pytest.fixture(scope="session")
def eager(sessions: ReadSources) -> Aggregator:
    """Uses rollups wherever they are exact, however little that saves."""
    settings = AggregatorSettings(
        rollup_overhead_rows=-1, rows_max=1_000_000, body_bytes_max=100_000_000
    )
    return Aggregator(sessions, settings)


@pytest.fixture(scope="session")
def plain(sessions: ReadSources) -> Aggregator:
    """Never uses rollups."""
    return Aggregator(sessions, AggregatorSettings(rollup_overhead_rows=1_000_000))


async def _define(database: Database, register: Register, *grids: tuple[Grid, set[str]]) -> None:
    async with database.transaction() as connection:
        for grid, columns in grids:
            await definitions.ensure(
                connection, register.store_id, register.register_id, grid, sorted(columns)
            )


async def _fold(database: Database, register: Register) -> None:
    await fold(database, register.store_id, register.register_id, builds=True)
    await fold(database, register.store_id, register.register_id)


async def _rollups(database: Database, register: Register) -> list[definitions.Rollup]:
    async with database.acquire() as connection:
        return await definitions.of_register(connection, register.store_id, register.register_id)


async def _agree_with_their_items(database: Database, register: Register) -> None:
    for rollup in await _rollups(database, register):
        checked = await check(database, register.store_id, rollup.rollup_id)
        assert checked.disagreements == 0, checked.sample


async def _arrive(
    database: Database,
    register: Register,
    chance: Chance,
    centre: datetime,
    values: list[str | None],
) -> list[Item]:
    """Some more items, written as the recorder writes them."""
    came = [
        Item(
            chance.moment(centre),
            chance.amount(),
            {column: chance.choice(values) for column in LABELS},
        )
        for _ in range(chance.choice([1, 5, 100]))
    ]
    rows = [(i.originated_at, i.amount, *(i.meta[c] for c in LABELS)) for i in came]
    await add_items(database, register, rows)
    return came


async def test_a_second_implementation_agrees_while_items_keep_arriving(
    make_register: MakeRegister, database: Database, eager: Aggregator
) -> None:
    print(f"AGGREGATE_SEED={SEED}")  # noqa: T201 - shown when it fails
    chance = Chance(SEED + 1)
    used = set()
    for number in range(REGISTERS):
        name, text = ODD[number % len(ODD)]
        centre, zone = datetime.fromisoformat(text), chance.zone(name)
        values = chance.choices(VALUES, k=chance.choice([1, 3, 8]))
        register = dataclasses.replace(await make_register(LABELS), aggregator=eager)
        items = await _arrive(database, register, chance, centre, values)
        grids = [Grid(Grain.DAY, zone), Grid(Grain.DAY, chance.zone(name)), Grid(Grain.HOUR)]
        wanted = [(grid, set()) for grid in (*grids, Grid(Grain.QUARTER)) if chance.random() < 0.7]
        wanted += [
            (chance.choice(grids), set(chance.choice(COLUMN_SETS)))
            for _ in range(chance.choice([0, 1, 2]))
        ]
        await _define(database, register, *wanted)
        for _ in range(QUESTIONS):
            if chance.random() < 0.5:
                items += await _arrive(database, register, chance, centre, values)
            if chance.random() < 0.5:
                await _fold(database, register)
            question = chance.question(items, zone, centre)
            await compare(chance, register, items, question)
            outcome = await register.ask("item_count")
            used.add(outcome.plan.name if outcome.plan else "")
        await _agree_with_their_items(database, register)
    assert {"totals-day", "totals-hour", "totals-quarter"} & used


@pytest.fixture
async def year(make_register: MakeRegister, database: Database, eager: Aggregator) -> Register:
    """Two items an hour through a year, in two accounts; Detroit's days by account are kept."""
    register = dataclasses.replace(await make_register(["account"]), aggregator=eager)
    first = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        (first + timedelta(minutes=30 * number), Decimal(number) / 100, "ab"[number % 2])
        for number in range(2 * 24 * 366)
    ]
    await add_items(database, register, rows)
    await _define(
        database,
        register,
        *((grid, set()) for grid in definitions.totals_grids("America/Detroit")),
        (Grid(Grain.DAY, "America/Detroit"), {"meta0"}),
    )
    await _fold(database, register)
    return register


DETROIT = {
    "start_at": "2024-01-01T00:00:00-05:00",
    "end_at": "2024-12-31T23:59:59-05:00",
    "timezone": "America/Detroit",
}


@pytest.mark.parametrize(
    ("plan", "question"),
    [
        ("totals-day", {"group_by_period": "month"}),
        ("totals-day", {"group_by_period": "day"}),
        ("totals-day", {"group_by_period": "year"}),
        ("totals-day", {}),
        ("totals-day", {"group_by_period": "month", "timezone": "Asia/Kolkata"}),
        ("totals-hour", {"group_by_period": "day", "timezone": "Europe/London"}),
        ("columns-day", {"group_by_period": "month", "group_by": ["account"]}),
        ("columns-day", {"group_by": ["account"]}),
        ("columns-day", {"group_by_period": "day", "group_by": ["account"]}),
        ("columns-day", {"group_by_period": "year", "group_by": ["account"]}),
    ],
)
async def test_the_cheapest_exact_plan_is_taken_and_says_the_same(
    year: Register, database: Database, plain: Aggregator, plan: str, question: dict[str, object]
) -> None:
    zone = str(question.get("timezone", "America/Detroit"))
    bounds = (
        DETROIT
        if zone == "America/Detroit"
        else {
            "start_at": "2024-01-01T05:00:00Z",
            "end_at": "2025-01-01T04:59:59Z",
            "timezone": zone,
        }
    )
    asked = {**bounds, **question}
    # Of a day in the middle and of the last one: a tail that touches what is folded.
    for moment in ("2024-06-06T12:00:00+00:00", "2024-12-31T12:00:00+00:00"):
        await add_items(database, year, [(instant(moment), Decimal(7), "b")])
    outcome = await year.ask("item_sum", **asked)
    assert outcome.plan is not None
    assert outcome.plan.name == plan
    unrolled = await dataclasses.replace(year, aggregator=plain).ask("item_sum", **asked)
    assert unrolled.plan is not None
    assert unrolled.plan.name == "raw"
    assert outcome.body == unrolled.body
    assert outcome.etag == unrolled.etag


@pytest.mark.parametrize(
    "bounds",
    [
        # Tokyo's day begins nine hours before rollups do: its first bucket holds less than the day.
        {
            "start_at": "1972-01-01T00:10:00Z",
            "end_at": "1972-01-04T15:00:00Z",
            "timezone": "Asia/Tokyo",
        },
        # Los Angeles' last one ends eight hours behind where they end.
        {
            "start_at": "2099-12-29T08:00:00Z",
            "end_at": "2099-12-31T23:49:59Z",
            "timezone": "America/Los_Angeles",
        },
    ],
)
async def test_where_rollups_begin_and_end_nothing_is_taken_away_that_they_do_not_hold(
    make_register: MakeRegister,
    database: Database,
    eager: Aggregator,
    bounds: dict[str, str],
) -> None:
    register = dataclasses.replace(await make_register(), aggregator=eager)
    moments = [
        # Beside the ranges: some that rollups never hold, and one on either side that they do.
        *("1971-12-31T15:30:00+00:00", "1971-12-31T23:59:59+00:00", "1972-01-01T00:05:00+00:00"),
        *("2099-12-31T23:55:00+00:00", "2100-01-01T00:00:00+00:00", "2100-01-01T03:00:00+00:00"),
    ]
    moments += [f"1972-01-02T12:{minute:02}:00+00:00" for minute in range(30)]
    moments += [f"2099-12-30T12:{minute:02}:00+00:00" for minute in range(30)]
    await add_items(database, register, [(instant(m), Decimal(1)) for m in moments])
    await _define(database, register, (Grid(Grain.DAY, bounds["timezone"]), set()))
    await _fold(database, register)
    outcome = await register.ask("item_count", **bounds)
    assert outcome.plan is not None
    assert outcome.plan.name == "totals-day"
    rows = await register.rows("item_count", **bounds)
    assert rows == [["All", "All", 30]]


async def test_what_is_not_folded_yet_is_counted(year: Register, database: Database) -> None:
    before = (await year.rows("item_count"))[0][2]
    await add_items(database, year, [(instant("2024-05-05T05:05:05+00:00"), Decimal(1), "c")])
    outcome = await year.ask("item_count", group_by=["account"])
    assert outcome.plan is not None
    assert outcome.plan.name == "columns-day"
    assert [row[1] for row in await year.rows("item_count", group_by=["account"])] == [
        "a",
        "b",
        "c",
    ]
    assert (await year.rows("item_count"))[0][2] == before + 1


async def test_a_rollup_that_lies_is_found_and_built_anew(
    year: Register, database: Database
) -> None:
    (rollup,) = [r for r in await _rollups(database, year) if r.columns]
    async with database.acquire() as connection:
        await connection.execute(
            "UPDATE rollup_rows SET amount = amount + 0.01 WHERE store_id = $1 AND rollup_id = $2 "
            "AND k0 = 'a' AND bucket < '2024-01-03'",
            year.store_id,
            rollup.rollup_id,
        )
    checked = await check(database, year.store_id, rollup.rollup_id)
    # The Detroit days of 31 December, 1 January and 2 January.
    assert checked.disagreements == 3
    assert checked.sample[0]["amount_held"] - checked.sample[0]["amount_counted"] == Decimal("0.01")
    held = await rebuild(database, year.store_id, year.register_id, rollup.rollup_id)
    assert held == 2 * 24 * 366
    async with database.acquire() as connection:
        await connection.execute(
            "UPDATE rollup_rows SET high = high + 1 WHERE store_id = $1 AND rollup_id = $2 "
            "AND k0 = 'b' AND bucket > '2024-12-31'",
            year.store_id,
            rollup.rollup_id,
        )
    checked = await check(database, year.store_id, rollup.rollup_id)
    assert checked.disagreements == 1
    assert checked.sample[0]["high_held"] - checked.sample[0]["high_counted"] == 1
    await rebuild(database, year.store_id, year.register_id, rollup.rollup_id)
    await _agree_with_their_items(database, year)


async def test_loaded_past_the_recorder_counts_after_a_rebuild(
    year: Register, database: Database
) -> None:
    async with database.acquire() as connection:
        await connection.execute(
            "INSERT INTO register_items (store_id, register_id, unique_key, amount, originated_at) "
            "VALUES ($1, $2, 'loaded', 5, '2024-02-02T12:00:00Z')",
            year.store_id,
            year.register_id,
        )
    for rollup in await _rollups(database, year):
        assert (await check(database, year.store_id, rollup.rollup_id)).disagreements == 1
        await rebuild(database, year.store_id, year.register_id, rollup.rollup_id)
    await _agree_with_their_items(database, year)
    assert (await year.rows("item_count"))[0][2] == 2 * 24 * 366 + 1


async def test_a_column_of_too_many_values_is_not_kept(
    make_register: MakeRegister, database: Database
) -> None:
    register = await make_register(["order"])
    first = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [(first + timedelta(seconds=n), Decimal(1), f"order {n}") for n in range(20_000)]
    await add_items(database, register, rows)
    await _define(database, register, (Grid(Grain.DAY, "UTC"), {"meta0"}))
    await _fold(database, register)
    (rollup,) = await _rollups(database, register)
    assert rollup.is_rejected
    async with database.acquire() as connection:
        left = await connection.fetchval(
            "SELECT count(*) FROM rollup_rows WHERE store_id = $1", register.store_id
        )
    assert left == 0


async def test_days_cut_by_other_rules_are_not_used(year: Register, database: Database) -> None:
    async with database.acquire() as connection:
        await connection.execute(
            "UPDATE rollups SET zone_digest = 'last year' WHERE store_id = $1 AND grain = 'day'",
            year.store_id,
        )
    outcome = await year.ask("item_count", **DETROIT, group_by_period="month")
    assert outcome.plan is not None
    assert outcome.plan.name == "totals-hour"


async def test_an_expensive_question_makes_a_wish(
    make_register: MakeRegister, database: Database, sessions: ReadSources
) -> None:
    curious = Aggregator(sessions, AggregatorSettings(wish_rows_min=10))
    register = dataclasses.replace(await make_register(["a", "b"]), aggregator=curious)
    first = datetime(2024, 1, 1, tzinfo=UTC)
    await add_items(
        database,
        register,
        [(first + timedelta(hours=n), Decimal(1), "x", "y") for n in range(500)],
    )
    grids = definitions.totals_grids("Europe/London")
    await _define(database, register, *((grid, set()) for grid in grids))
    await _fold(database, register)
    asked = {"group_by": ["b", "a"], "group_by_period": "day", "timezone": "Europe/Paris"}
    wish = (await register.ask("item_count", **asked)).wish
    assert wish is not None
    assert (wish.grid, wish.columns) == (Grid(Grain.DAY, "Europe/Paris"), ("meta0", "meta1"))
    without_period = (await register.ask("item_count", group_by=["a"])).wish
    assert without_period is not None
    assert without_period.grid == Grid(Grain.DAY, "Europe/London")
    assert (await register.ask("item_count", group_by_period="day")).wish is None
    await _define(database, register, (wish.grid, set(wish.columns)))
    await _fold(database, register)
    assert (await register.ask("item_count", **asked)).wish is None


async def test_two_folders_at_once_count_nothing_twice(year: Register, database: Database) -> None:
    import asyncio  # noqa: PLC0415

    for number in range(10):
        moment = instant("2024-05-05T05:05:05+00:00") + timedelta(days=number)
        await add_items(database, year, [(moment, Decimal(1), "a")])
        await asyncio.gather(*(fold(database, year.store_id, year.register_id) for _ in range(4)))
    await _agree_with_their_items(database, year)
    assert all(r.items_held == 2 * 24 * 366 + 10 for r in await _rollups(database, year))


async def test_a_rollup_row_cannot_hold_nothing(year: Register, database: Database) -> None:
    async with database.acquire() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(
                "UPDATE rollup_rows SET items = 0 WHERE store_id = $1", year.store_id
            )


async def test_only_totals_are_planned_once(
    make_register: MakeRegister, database: Database, database_settings: DatabaseSettings
) -> None:
    rows = [(instant("2024-03-10T12:00:00Z"), Decimal(n), "x") for n in range(3)]
    register = await make_register(["a"], rows)
    await _define(database, register, (Grid(Grain.HOUR), set()), (Grid(Grain.HOUR), {"meta0"}))
    await _fold(database, register)
    settings = AggregatorSettings(rollup_overhead_rows=-1, questions_max=1)
    own = as_role(database_settings, "aggregator")
    async with open_sessions(own, settings, name="sessions") as opened:
        asked = dataclasses.replace(register, aggregator=Aggregator(ReadSources(opened), settings))

        async def plans(count: int, **question: Any) -> tuple[str, int, int]:
            """Of the same question three times: its name, and how it was planned."""
            for _ in range(3):
                outcome = await asked.ask("item_count", **question)
                assert str(count).encode() in (outcome.body or b"")
            assert outcome.plan is not None
            async with opened.acquire() as connection:
                last = await connection.fetchrow(
                    "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
                    " WHERE statement ~ '^\\s+WITH state AS' ORDER BY prepare_time DESC LIMIT 1"
                )
            assert last is not None
            return outcome.plan.name, last["generic_plans"], last["custom_plans"]

        whole = {"end_at": "2024-12-31T23:59:59.999999Z"}
        assert await plans(3, **whole) == ("totals-hour", 3, 0)
        assert await plans(3, **whole, group_by=["a"]) == ("columns-hour", 0, 3)
        assert await plans(3, **whole, group_by_period="month") == ("totals-hour", 3, 0)
        # With items at the edges of the range.
        edges = {"start_at": "2024-03-10T11:59:30Z", "end_at": "2024-03-12T00:00:00Z"}
        assert await plans(3, **edges) == ("totals-hour", 3, 0)
        # With a tail; not with one that may be very long.
        noon = instant("2024-03-11T12:00:00Z")
        await add_items(database, register, [(noon, Decimal(1), "x")])
        assert await plans(4, **whole) == ("totals-hour", 3, 0)
        async with database.acquire() as connection:
            await connection.execute(
                "UPDATE registers SET version = version + $2 WHERE register_id = $1",
                register.register_id,
                2 * TAIL_VERSIONS_MAX,
            )
        # What the register was before is asked for once more.
        await asked.ask("item_count", **whole)
        assert await plans(4, **whole) == ("totals-hour", 0, 3)


async def test_items_are_found_at_the_edges_by_time_and_in_the_tail_by_version(
    make_register: MakeRegister, database: Database, database_settings: DatabaseSettings
) -> None:
    """Whatever the bounds: the plan is not made for them."""
    start = instant("2024-03-10T00:00:00Z")
    register = await make_register([], [(start + timedelta(minutes=n), 1) for n in range(5_000)])
    await _define(database, register, (Grid(Grain.QUARTER), set()))
    await _fold(database, register)
    await add_items(database, register, [(start + timedelta(minutes=10), 1)])
    settings = AggregatorSettings(rollup_overhead_rows=-1, questions_max=1)
    own = as_role(database_settings, "aggregator")
    async with open_sessions(own, settings, name="sessions") as opened:
        asked = dataclasses.replace(register, aggregator=Aggregator(ReadSources(opened), settings))
        bounds = {"start_at": "2024-03-10T00:05:00Z", "end_at": "2024-03-12T23:59:59Z"}
        for period, counts in (("all", [4_316]), ("day", [1_436, 1_440, 1_440])):
            rows = await asked.rows("item_count", group_by_period=period, **bounds)
            assert [count for *_, count in rows] == counts
            async with opened.acquire() as connection:
                last = await connection.fetchrow(
                    "SELECT name, cardinality(parameter_types) AS count FROM pg_prepared_statements"
                    " WHERE statement ~ '^\\s+WITH state AS' ORDER BY prepare_time DESC LIMIT 1"
                )
                assert last is not None
                nothing = ", ".join(["NULL"] * last["count"])
                plan = await connection.fetchval(
                    f"EXPLAIN (FORMAT JSON) EXECUTE {last['name']} ({nothing})"
                )
            conditions = {
                node["Index Name"]: node["Index Cond"]
                for node in _nodes(json.loads(plan)[0]["Plan"])
                if node.get("Relation Name") == "register_items"
            }
            assert {*conditions} == {"register_items_by_time", "register_items_by_version"}
            assert "originated_at <" in conditions["register_items_by_time"]
            assert "version >" in conditions["register_items_by_version"]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)
