"""What disagrees by a cent is not shipped: each source tampered with, past the recorder."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from services.report_worker.control_totals import reconcile
from services.report_worker.copying import snapshot
from services.report_worker.exports.complete.archive import COMPLETE
from services.report_worker.exports.definition import totals_select
from services.report_worker.failures import ControlTotalsError
from services.report_worker.outcome import Ending
from shared.contracts.reports import ReportName
from shared.database import accounts, registers
from shared.rollups.definitions import ensure, totals_grids
from shared.rollups.folding import fold
from tests.integration.report_worker import recorded
from tests.integration.report_worker.seeding import (
    FIRST,
    LAST,
    World,
    events,
    queue_report,
    row,
    uploads,
)

SALE = {
    "id": "t1",
    "customer_id": "c1",
    "transaction_date": "2024-03-01T12:00:00Z",
    "items": [{"sku": "A", "quantity": "1", "price": "10"}],
    "discounts": [{"code": "X", "amount": "1"}],
    "tax": "2",
}
LONG = "9" * 38
DEARER = "UPDATE register_items SET amount = 2.01 WHERE store_id = $1 AND meta3 = 'tax'"
TAMPERED = {
    "a line of the register": (
        DEARER,
        ["amount in GBP: transactions 11.00, items 11.01", "tax in GBP"],
    ),
    "a line that is not there": (
        "DELETE FROM register_items WHERE store_id = $1 AND meta3 = 'discount'",
        ["amount in GBP", "discounts in GBP"],
    ),
    "a line of another currency": (
        "UPDATE register_items SET meta5 = 'EUR' WHERE store_id = $1 AND meta3 = 'item'",
        ["items in EUR: transactions 0, sku_by_month 0, sales_register 10.00", "items in GBP"],
    ),
    "an item": (
        "UPDATE transaction_items SET amount = amount - 0.01 WHERE store_id = $1",
        ["items in GBP: transactions 10.00, sku_by_month 9.99, sales_register 10.00"],
    ),
    "a coupon": (
        "UPDATE transaction_discounts SET amount = 1.01 WHERE store_id = $1",
        ["discounts in GBP: transactions 1.00, coupons_used 1.01, sales_register 1.00"],
    ),
    "a transaction": (
        "UPDATE transactions SET total_tax = 2.01, total_order = 11.01 WHERE store_id = $1",
        ["amount in GBP", "tax in GBP: transactions 2.01, sales_register 2.00"],
    ),
}


@pytest.fixture
async def honest(world: World) -> World:
    await recorded.transactions(world.database, world.store_id, SALE)
    return world


@pytest.mark.parametrize(("statement", "told"), TAMPERED.values(), ids=TAMPERED)
async def test_a_disagreement_fails_the_report_and_ships_nothing(
    honest: World, statement: str, told: list[str]
) -> None:
    async with honest.database.acquire() as connection:
        await connection.execute(statement, honest.store_id)
    report = await queue_report(
        honest.database, honest.store_id, honest.user_id, name=ReportName.COMPLETE
    )
    builder = honest.make_builder()
    claimed = await builder.claim(report.store_id, report.report_id)
    assert claimed is not None
    outcome = await builder.build(claimed)
    assert outcome.ending is Ending.FAILED
    for words in told:
        assert words in str(outcome.error)
    now = await row(honest.database, report)
    assert now is not None
    assert (now.status, now.attempt) == ("error", 1), "another attempt would find the same"
    assert now.failure_code == "control_totals_disagree"
    assert "sales register" in (now.failure_message or "")
    assert now.object_key is None
    keys = await uploads(honest.database, report)
    assert keys
    for key in keys:
        assert await honest.objects.stat(key) is None
    assert await events(honest.database, report) == ["report.failed.v1"]


async def test_a_single_file_is_held_to_the_register_as_well(honest: World) -> None:
    async with honest.database.acquire() as connection:
        await connection.execute(DEARER, honest.store_id)
    report = await queue_report(
        honest.database, honest.store_id, honest.user_id, name=ReportName.CUSTOMERS_LTV
    )
    builder = honest.make_builder()
    claimed = await builder.claim(report.store_id, report.report_id)
    assert claimed is not None
    outcome = await builder.build(claimed)
    assert (outcome.ending, outcome.failure and outcome.failure.code) == (
        Ending.FAILED,
        "control_totals_disagree",
    )
    for key in await uploads(honest.database, report):
        assert await honest.objects.stat(key) is None


async def _rolled_up(world: World) -> None:
    """Its rollups hold what was recorded so far."""
    async with world.database.transaction() as connection:
        register = await registers.find_sales_register(connection, world.store_id)
        assert register is not None
        for grid in totals_grids("Europe/London"):
            await ensure(connection, world.store_id, register.register_id, grid)
    await fold(world.database, world.store_id, register.register_id, builds=True)


@pytest.mark.parametrize("bucket", [None, "2024-03-01T12:00:00Z", "2024-03-03T00:00:00Z"])
async def test_what_rollups_would_answer_has_to_be_the_same(
    honest: World, bucket: str | None
) -> None:
    """Both edges lie inside of buckets with lines at both sides, and the last lines are a tail."""
    edges = [("before", "11:59:59.999999"), ("first", "12:00:00"), ("late", "12:14:59.999999")]
    await recorded.transactions(
        honest.database,
        honest.store_id,
        *({**SALE, "id": key, "transaction_date": f"2024-03-03T{at}Z"} for key, at in edges),
        *({**SALE, "id": n, "transaction_date": f"2024-03-0{n}T00:10:00Z"} for n in (2, 3)),
    )
    await _rolled_up(honest)
    tail = {"id": "tail", "transaction_date": "2024-03-02T00:10:00Z"}
    await recorded.transactions(honest.database, honest.store_id, {**SALE, **tail})
    if bucket is not None:
        async with honest.database.acquire() as connection:
            await connection.execute(
                "UPDATE rollup_rows SET amount = amount + 0.01 WHERE store_id = $1"
                " AND bucket = $2::text::timestamptz",
                honest.store_id,
                bucket,
            )
    report = await queue_report(
        honest.database,
        honest.store_id,
        honest.user_id,
        name=ReportName.COMPLETE,
        range_start=datetime(2024, 3, 1, 11, 55, tzinfo=UTC),
        range_end=datetime(2024, 3, 3, 12, tzinfo=UTC),
    )
    builder = honest.make_builder()
    claimed = await builder.claim(report.store_id, report.report_id)
    assert claimed is not None
    outcome = await builder.build(claimed)
    if bucket is None:
        assert outcome.ending is Ending.BUILT, outcome.error
    else:
        assert outcome.failure is not None
        assert outcome.failure.code == "control_totals_disagree"
        for grain in ("quarter", "hour"):
            told = f"amount: sales_register 66.00, its totals by {grain} 66.01"
            assert told in str(outcome.error)


@pytest.mark.parametrize("short", [None, *(file.name for file in COMPLETE.files if file.totals)])
async def test_the_rows_of_each_file_are_as_many_as_were_sent(
    honest: World, short: str | None
) -> None:
    report = await queue_report(
        honest.database, honest.store_id, honest.user_id, name=ReportName.COMPLETE
    )
    claimed = await honest.make_builder().claim(report.store_id, report.report_id)
    assert claimed is not None
    async with snapshot(
        honest.database, "Europe/London", store_id=honest.store_id, seconds_max=30
    ) as connections:
        sent = [
            len(
                await connections[0].fetch(
                    file.select, honest.store_id, FIRST, LAST, *file.parameters
                )
            )
            + (file.name == short)
            for file in COMPLETE.files
        ]
        checking = reconcile(connections, COMPLETE, claimed, sent, seconds_max=30)
        if short is None:
            await checking
        else:
            with pytest.raises(ControlTotalsError, match=f"^{short}: .* rows were sent"):
                await checking


async def test_what_is_told_in_passing_is_what_a_second_look_finds(honest: World) -> None:
    files = [file for file in COMPLETE.files if file.is_aggregate]
    told, found = {}, {}
    async with honest.database.transaction(readonly=True) as connection:
        for file in files:
            arguments = (honest.store_id, FIRST, LAST, *file.parameters)
            await connection.fetch(file.select, *arguments)
            text = await connection.fetchval("SELECT current_setting($1, true)", file.setting)
            told[file.name] = json.loads(text, parse_float=Decimal) if text else []
            rows = await connection.fetch(totals_select(file), *arguments)
            found[file.name] = [dict(row) for row in rows]
    assert told == found
    # Of no rows nothing is told.
    assert [name for name, totals in told.items() if not totals] == [
        "payment_methods_by_month",
        "subscription_forecast",
    ]


async def test_the_database_knows_the_digits_of_the_same_currencies(world: World) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    every = [a + b + c for a in letters for b in letters for c in letters]
    async with world.database.acquire() as connection:
        rows = await connection.fetch(
            "SELECT currency, currency_digits(currency) AS digits"
            " FROM unnest($1::text[]) AS currency",
            every,
        )
    assert {row["currency"]: row["digits"] for row in rows} == {
        currency: accounts.currency_digits(currency) for currency in every
    }


@pytest.mark.parametrize(
    ("amount", "currency", "shown", "rounded"),
    [
        ("1", "USD", "1.00", "1.00"),
        ("1.5000", "USD", "1.50", "1.50"),
        ("1.005", "USD", "1.005", "1.00"),
        ("1.015", "USD", "1.015", "1.02"),
        ("-1.005", "USD", "-1.005", "-1.00"),
        ("-1.015", "USD", "-1.015", "-1.02"),
        (f"1.005{'0' * 33}1", "USD", f"1.005{'0' * 33}1", "1.01"),
        ("2.50", "JPY", "2.5", "2"),
        ("3.5", "JPY", "3.5", "4"),
        ("100", "JPY", "100", "100"),
        ("0.0005", "KWD", "0.0005", "0.000"),
        ("0.0015", "KWD", "0.0015", "0.002"),
        ("1.23455", "CLF", "1.23455", "1.2346"),
        (LONG, "USD", f"{LONG}.00", f"{LONG}.00"),
    ],
)
async def test_money_is_shown_whole_and_rounded_to_even(
    world: World, amount: str, currency: str, shown: str, rounded: str
) -> None:
    async with world.database.acquire() as connection:
        row = await connection.fetchrow(
            "SELECT export_money($1::text::numeric, $2)::text AS shown,"
            " round_money($1::text::numeric, $2)::text AS rounded",
            amount,
            currency,
        )
    assert row is not None
    assert (row["shown"], row["rounded"]) == (shown, rounded)
