"""Whose register, which snapshot, how long, how much: the use case around the numbers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from services.aggregator import aggregate
from services.aggregator.aggregate import Aggregator, Outcome
from services.aggregator.analyse import Analyst
from services.aggregator.catalogue import Catalogue
from services.aggregator.handlers import Handlers, answer_of
from services.aggregator.planner import Choice
from services.aggregator.plans import Plan
from services.aggregator.settings import AggregatorSettings
from shared.contracts.aggregations import AggregateQuery
from shared.database.pool import LIMIT_SLACK_SECONDS, Database
from shared.database.replica import ReadSources
from shared.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    OverloadedError,
    UnavailableError,
)
from shared.messaging.delivery import Delivery
from tests.integration.aggregator.register_under_test import (
    MakeRegister,
    Register,
    Row,
    add_items,
    instant,
)
from tests.integration.aggregator.test_analysis_second_opinion import analysis_of

NOON = instant("2024-03-10T12:00:00Z")
START, END = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"
# Not by their text: what is ours in it comes too late for pg_stat_activity.
SLEEPERS = """SELECT count(*) FROM pg_stat_activity
               WHERE state = 'active' AND wait_event IN ('PgSleep', 'advisory')
                 AND application_name = 'sessions'"""
SLEEPING = """SELECT 1 AS period, 1::bigint AS items, 1::numeric AS amount FROM pg_sleep(60)"""
SETTING = """SELECT 1 AS period, 1::bigint AS items, setting::numeric AS amount
               FROM pg_settings WHERE name = '{}'"""


def plan_of(sql: str) -> Callable[..., Choice]:
    """In place of `choose_plan`: always a plan with these totals."""
    plan = Plan("test", lambda _totals, _bindings: sql)
    return lambda *_, **__: Choice(plan, rows=0, wish=None)


def sleeping() -> Callable[..., Choice]:
    """A plan that takes a minute."""
    return plan_of(SLEEPING)


def setting(name: str) -> Callable[..., Choice]:
    """A plan whose sum is the value of a setting."""
    return plan_of(SETTING.format(name))


async def until(condition: Callable[[], Any], *, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - a condition, with a deadline
            await asyncio.sleep(0.02)


async def refusal(aggregator: Aggregator, query: AggregateQuery) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        await aggregator.answer(query)
    return caught.value.message


async def test_a_register_is_its_stores_alone(
    make_register: MakeRegister, database: Database
) -> None:
    register = await make_register(["a"])
    async with database.acquire() as connection:
        other = await connection.fetchval(
            "INSERT INTO stores (name, timezone, currency, currency_digits) "
            "VALUES ('Other', 'UTC', 'USD', 2) RETURNING store_id"
        )
    foreign = Register(other, register.register_id, register.aggregator)
    unknown = Register(register.store_id, 2**63 - 1, register.aggregator)
    for one in (foreign, unknown):
        # What follows in the order of rules does not shine through.
        for arguments in ({}, {"group_by": ["a"]}, {"group_by_period": "fortnight"}):
            query = one.query(**arguments)
            assert await refusal(one.aggregator, query) == "Invalid register_id"


async def test_rules_7_and_8_need_the_register(make_register: MakeRegister) -> None:
    register = await make_register(["a"])
    ask = register.aggregator
    assert await refusal(ask, register.query(group_by_period="fortnight", group_by=["b"])) == (
        "Invalid group by period: fortnight"
    )
    assert await refusal(ask, register.query(group_by=["a", "b"])) == (
        "Invalid group_by, b is not a meta-column for register"
    )


async def test_an_answer_that_the_caller_has_is_not_computed(
    make_register: MakeRegister, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = await make_register([], [(NOON, Decimal(1))])
    first = await register.ask()
    answer = answer_of(first)
    assert answer.headers["ETag"] == first.etag
    assert answer.headers["Tallyport-Plan"] == "raw"
    assert answer.headers["Server-Timing"].startswith("db;dur=")
    assert "Tallyport-Status" not in answer.headers

    with monkeypatch.context() as patch:
        patch.setattr(aggregate, "choose_plan", None)
        again = await register.ask(if_none_match=f'"other", W/{first.etag}')
    assert again.body is None
    known = answer_of(again)
    assert known.body == b""
    assert known.headers["Tallyport-Status"] == "304"
    assert known.headers["ETag"] == first.etag

    await add_items(database, register, [(NOON, Decimal(1))])
    changed = await register.ask(if_none_match=first.etag)
    assert changed.body is not None
    assert changed.etag != first.etag


async def test_what_the_caller_has_is_told_of_each_version_anew(
    make_register: MakeRegister, database: Database, sessions: ReadSources
) -> None:
    """Of a register that is written to between the questions, which are the same."""
    register = await make_register([], [(NOON, Decimal(1))])
    analyst = Analyst(sessions, AggregatorSettings())

    async def analysed(etag: str | None) -> Outcome:
        asked = {"start_at": START, "end_at": END, "measures": ["count"]}
        return await analyst.answer(analysis_of(register, asked, if_none_match=etag))

    async def measured(etag: str | None) -> Outcome:
        return await register.ask(if_none_match=etag)

    for ask in (measured, analysed):
        await ask(None)
        for _ in range(3):
            await add_items(database, register, [(NOON, Decimal(1))])
            etag = (await ask(None)).etag
            for _ in range(2):
                assert (await ask(etag)).body is None
            await add_items(database, register, [(NOON, Decimal(1))])
            changed = await ask(etag)
            assert changed.body is not None
            assert changed.etag != etag


async def test_version_and_items_are_of_one_snapshot(
    make_register: MakeRegister,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    sessions: ReadSources,
) -> None:
    register = await make_register([], [(NOON, Decimal(1))])
    before = await register.ask()
    lock = 2**40 + register.register_id
    waiting = f"""SELECT 1 AS period, count(*) AS items, sum(i.amount) AS amount
                    FROM (SELECT pg_advisory_xact_lock_shared({lock})) AS held, register_items i
                   WHERE i.register_id = {register.register_id}"""  # noqa: S608
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", lock)
        with monkeypatch.context() as patch:
            patch.setattr(aggregate, "choose_plan", plan_of(waiting))
            another = Aggregator(sessions, AggregatorSettings())
            asking = asyncio.create_task(another.answer(register.query()))

            async def waits() -> bool:
                async with database.acquire() as other:
                    return bool(await other.fetchval(SLEEPERS))

            await until(waits)
        await add_items(database, register, [(NOON, Decimal(10))])
    during = await asking
    assert (during.body, during.etag) == (before.body, before.etag)
    assert await register.rows() == [["All", "All", 11]]


async def test_a_deadline_that_has_passed_is_not_computed(
    make_register: MakeRegister, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = await make_register()
    monkeypatch.setattr(aggregate, "check_scope", None)
    with pytest.raises(DeadlineExceededError):
        await register.ask(seconds=-0.001)


async def test_a_deadline_ends_the_statement_on_the_server(
    make_register: MakeRegister, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = await make_register()
    monkeypatch.setattr(aggregate, "choose_plan", sleeping())
    began = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        await register.ask(seconds=0.4)
    assert time.monotonic() - began < 5

    async def ended() -> bool:
        async with database.acquire() as connection:
            return await connection.fetchval(SLEEPERS) == 0

    await until(ended, seconds=2)
    monkeypatch.undo()
    assert await register.rows("item_count") == [["All", "All", 0]]


async def test_a_question_given_up_ends_on_the_server(
    make_register: MakeRegister, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = await make_register()
    monkeypatch.setattr(aggregate, "choose_plan", sleeping())

    async def sleepers() -> int:
        async with database.acquire() as connection:
            return int(await connection.fetchval(SLEEPERS))

    async def runs() -> bool:
        return await sleepers() == 1

    async def ended() -> bool:
        return await sleepers() == 0

    asking = asyncio.create_task(register.ask(seconds=50))
    await until(runs)
    asking.cancel()
    await asyncio.wait({asking})
    await until(ended, seconds=2)


async def test_a_statement_that_somebody_cancelled_is_no_deadline(
    make_register: MakeRegister, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = await make_register()
    monkeypatch.setattr(aggregate, "choose_plan", sleeping())

    count = SLEEPERS.replace("count(*)", "count(pg_cancel_backend(pid))")
    asking = asyncio.create_task(register.ask(seconds=50))

    async def cancelled() -> bool:
        # More than once: a cancel that comes while the statement is only parsed does nothing.
        async with database.acquire() as connection:
            await connection.fetchval(count)
        return asking.done()

    await until(cancelled)
    with pytest.raises(UnavailableError):
        await asking


async def test_the_server_knows_the_deadline_too(
    make_register: MakeRegister, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = await make_register()
    monkeypatch.setattr(aggregate, "choose_plan", setting("statement_timeout"))
    for seconds in (20, 300, 20, 19, 3):
        [[_, _, milliseconds]] = await register.rows(seconds=seconds)
        # Whole seconds, and not set anew for a few.
        assert seconds * 1_000 <= milliseconds <= (seconds + LIMIT_SLACK_SECONDS) * 1_000
    monkeypatch.setattr(aggregate, "choose_plan", setting("work_mem"))
    year = {"end_at": "2025-01-01T00:00:00Z"}
    assert await register.rows(**year) == [["All", "All", 32 * 1024]]


async def test_only_reads(make_register: MakeRegister, monkeypatch: pytest.MonkeyPatch) -> None:
    register = await make_register()
    writing = "SELECT 1 AS period, lo_create(0)::bigint AS items, 1::numeric AS amount"
    monkeypatch.setattr(aggregate, "choose_plan", plan_of(writing))
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await register.ask()


async def test_too_many_at_once_are_refused(
    make_register: MakeRegister,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    sessions: ReadSources,
) -> None:
    register = await make_register()
    settings = AggregatorSettings(questions_max=1, waiting_max=0, retry_after_seconds=2)
    aggregator = Aggregator(sessions, settings)
    monkeypatch.setattr(aggregate, "choose_plan", sleeping())

    async def runs() -> bool:
        async with database.acquire() as connection:
            return int(await connection.fetchval(SLEEPERS)) == 1

    asking = asyncio.create_task(aggregator.answer(register.query(seconds=50)))
    await until(runs)
    with pytest.raises(OverloadedError) as caught:
        await aggregator.answer(register.query())
    assert caught.value.retry_after_seconds == 2
    # What is wrong with a question is told even then: that takes no turn.
    assert await refusal(aggregator, register.query(timezone="nope")) == "Invalid timezone: nope"
    asking.cancel()
    await asyncio.wait({asking})
    monkeypatch.undo()
    assert (await aggregator.answer(register.query("item_count"))).body is not None


async def test_rows_are_limited_by_name_and_never_cut(
    make_register: MakeRegister, sessions: ReadSources
) -> None:
    rows = [(NOON + timedelta(days=n % 3), Decimal(n), f"g{n}") for n in range(10)]
    register = await make_register(["a"], rows)
    question: dict[str, Any] = {"group_by": ["a"], "group_by_period": "quarter"}
    fits = Aggregator(sessions, AggregatorSettings(rows_max=40))
    assert (await fits.answer(register.query(**question))).body is not None
    for rows_max in (39, 10, 9, 3, 1):
        tight = Aggregator(sessions, AggregatorSettings(rows_max=rows_max))
        message = await refusal(tight, register.query(**question))
        assert message.startswith(f"more than {rows_max} rows: ")


async def test_periods_are_limited_by_name(
    make_register: MakeRegister, sessions: ReadSources
) -> None:
    register = await make_register()
    tight = Aggregator(sessions, AggregatorSettings(periods_max=365))
    message = await refusal(tight, register.query(group_by_period="day"))
    assert message.startswith("more than 365 periods: ")


async def test_bytes_are_limited_by_name(
    make_register: MakeRegister, sessions: ReadSources
) -> None:
    rows = [(NOON, Decimal(1), f"{n}" * 900) for n in range(8)]
    register = await make_register(["a"], rows)
    for body_bytes_max, period in ((2_000, None), (7_400, None), (80_000, "month")):
        tight = Aggregator(sessions, AggregatorSettings(body_bytes_max=body_bytes_max))
        question = register.query(group_by=["a"], group_by_period=period)
        message = await refusal(tight, question)
        assert message.startswith(f"more than {body_bytes_max} bytes: ")

    fits = Aggregator(sessions, AggregatorSettings(body_bytes_max=8_000))
    assert (await fits.answer(register.query())).body is not None


@pytest.mark.parametrize("rows", [[], [(NOON, Decimal(1))]])
async def test_the_one_group_is_held_to_both_limits(
    make_register: MakeRegister, sessions: Database, rows: list[Row]
) -> None:
    register = await make_register((), rows)
    by_month = register.query("item_count", group_by_period="month")
    # `{"title":"Count by Month","count":[` and `]}`, 12 rows, a comma between two.
    row = len('{"period":"Jan 2024","group":"All","value":0}')
    whole = 35 + 12 * row + 11 + 2
    fits = Aggregator(sessions, AggregatorSettings(rows_max=12, body_bytes_max=whole + 1_024))
    body = (await fits.answer(by_month)).body
    assert body is not None
    assert len(body) == whole

    tight = Aggregator(sessions, AggregatorSettings(rows_max=11))
    assert (await refusal(tight, by_month)).startswith("more than 11 rows: ")
    by_week = register.query("item_count", group_by_period="week")
    tight = Aggregator(sessions, AggregatorSettings(body_bytes_max=1_024))
    assert (await refusal(tight, by_week)).startswith("more than 1024 bytes: ")


async def test_a_fresh_question_sees_a_committed_write(
    make_register: MakeRegister, database: Database
) -> None:
    register = await make_register()
    for count in range(1, 6):
        await add_items(database, register, [(NOON, Decimal(1))])
        assert await register.rows("item_count") == [["All", "All", count]]


async def test_a_question_that_nobody_waits_for_is_not_computed(
    make_register: MakeRegister, sessions: ReadSources
) -> None:
    register = await make_register()
    analyst = Analyst(sessions, AggregatorSettings())
    catalogue = Catalogue(sessions, AggregatorSettings())
    handlers = Handlers(register.aggregator, analyst, catalogue, lambda *_: None)

    async def acknowledge() -> None:
        """Nothing to take off a queue here."""

    delivery = Delivery(
        message_id="1",
        kind=AggregateQuery.KIND,
        reply_to="somebody",
        correlation_id=None,
        redelivered=False,
        received_at=datetime.now(UTC),
        traceparent=None,
        acknowledge=acknowledge,
    )
    assert await handlers.answer_query(register.query(), delivery) is not None
    unasked = replace(delivery, reply_to=None)
    assert await handlers.answer_query(register.query(), unasked) is None


async def test_the_deadline_is_an_instant_of_any_zone(make_register: MakeRegister) -> None:
    register = await make_register()
    query = register.query()
    assert query.deadline.tzinfo is UTC
    moved = query.model_copy(
        update={"deadline": datetime.now().astimezone() + timedelta(seconds=5)}
    )
    assert (await register.aggregator.answer(moved)).body is not None
