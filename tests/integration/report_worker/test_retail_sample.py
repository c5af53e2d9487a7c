"""Reports about real data, to the cent: every cell of every table, computed a second time."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from cli.invoices import Invoices
from cli.online_retail import read_lines
from services.recorder.record_customers import record_customers
from services.recorder.record_transactions import record_transactions
from services.report_worker.build_report import ReportBuilder
from shared.contracts.recording import RecordCustomers, RecordTransactions
from shared.contracts.reports import ReportName
from shared.database import accounts
from shared.database.pool import Database
from shared.objects import ObjectStore
from tests.engines import ROOT
from tests.integration.report_worker import retail_opinion
from tests.integration.report_worker.reading import contents_of, rows_of
from tests.integration.report_worker.retail_opinion import Invoice
from tests.integration.report_worker.seeding import World, queue_report
from tests.integration.report_worker.test_customers_csv import built, download

Record = TypeVar("Record")
SAMPLE: Path = ROOT / "samples" / "online_retail_sample.csv.gz"
WHOLE = (datetime(2010, 12, 1, tzinfo=UTC), datetime(2011, 12, 31, 23, 59, 59, tzinfo=UTC))
# From the night that clocks were set forward in, to a noon in the middle of a week and a month.
PART = (datetime(2011, 3, 27, tzinfo=UTC), datetime(2011, 6, 15, 11, tzinfo=UTC))


@pytest.fixture(scope="module")
def invoices() -> list[Invoice]:
    return retail_opinion.read(SAMPLE)


@pytest.fixture(scope="module")
async def statistics(database: Database) -> AsyncIterator[None]:
    """Of another store's rows only, for as long as these tests run, as they are when somebody asks
    for a report right behind the import."""
    async with database.acquire() as connection:
        other = await accounts.create_store(
            connection, name="Other", timezone="UTC", currency="GBP"
        )
    with (
        gzip.open(SAMPLE, "rt", encoding="utf-8", newline="") as text,
        Invoices(read_lines(text)) as read,
    ):
        some = tuple(itertools.islice(read.transactions(), 1_000))
    await record_transactions(
        database, RecordTransactions(store_id=other.store_id, transactions=some)
    )
    async with database.acquire() as connection:
        for table in ("transactions", "transaction_items"):
            await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
            await connection.execute(f"ANALYZE {table}")
    yield
    async with database.acquire() as connection:
        for table in ("transactions", "transaction_items"):
            await connection.execute(f"ALTER TABLE {table} RESET (autovacuum_enabled)")


@pytest.fixture(scope="module")
async def retail(database: Database, statistics: None) -> tuple[int, int]:
    """(store, user) of a store with the sample, in the batches that the command line makes."""
    async with database.acquire() as connection:
        store = await accounts.create_store(
            connection, name="Retail", timezone="Europe/London", currency="GBP"
        )
        user = await accounts.create_user(connection, email=f"retail{store.store_id}@example.com")
    with (
        gzip.open(SAMPLE, "rt", encoding="utf-8", newline="") as text,
        Invoices(read_lines(text)) as read,
    ):
        for customers in _batches(read.customers()):
            await record_customers(
                database, RecordCustomers(store_id=store.store_id, customers=customers)
            )
        for transactions in _batches(read.transactions()):
            await record_transactions(
                database, RecordTransactions(store_id=store.store_id, transactions=transactions)
            )
    return store.store_id, user.user_id


def _batches(records: Iterator[Record]) -> Iterator[tuple[Record, ...]]:
    while batch := tuple(itertools.islice(records, 1_000)):
        yield batch


@pytest.fixture
def retail_world(
    database: Database,
    objects: ObjectStore,
    retail: tuple[int, int],
    make_builder: Callable[..., ReportBuilder],
) -> World:
    # It takes two; joined each with each it would be a minute.
    return World(database, objects, *retail, partial(make_builder, build_seconds_max=30))


@pytest.mark.parametrize(("start", "end"), [WHOLE, PART], ids=["whole", "part"])
async def test_every_table_of_complete_is_that_of_a_second_computation(
    retail_world: World, invoices: list[Invoice], start: datetime, end: datetime
) -> None:
    report = await queue_report(
        retail_world.database,
        retail_world.store_id,
        retail_world.user_id,
        name=ReportName.COMPLETE,
        range_start=start,
        range_end=end,
        counted=sum(1 + len(invoice.lines) for invoice in invoices),
    )
    contents = await contents_of(retail_world, report)
    expected = retail_opinion.complete(invoices, start, end)
    assert [*contents.tables] == [*expected]
    for name, rows in expected.items():
        assert contents.tables[name] == rows, name
    inside = [invoice for invoice in invoices if start <= invoice.at <= end]
    lines = [line for invoice in inside for line in invoice.lines]
    total = str(sum((line.amount for line in lines), Decimal()))
    assert len(lines) > 5_000
    register = contents.manifest["sales_register"]["control_totals"]["GBP"]
    assert (register["lines"], register["amount"]) == (len(lines), total)
    by_name = {file["name"]: file["control_totals"] for file in contents.manifest["files"]}
    assert by_name["items.csv"] == {"GBP": {"lines": len(lines), "amount": total}}
    for name in ("daily", "weekly", "monthly"):
        told = {"GBP": {"transactions": len(inside), "amount": total}}
        assert by_name[f"summary_{name}.csv"] == told
    assert by_name["coupons_used.csv"] == {}


async def test_customers_ltv_is_that_of_a_second_computation(
    retail_world: World, invoices: list[Invoice]
) -> None:
    start, end = PART
    report = await queue_report(
        retail_world.database,
        retail_world.store_id,
        retail_world.user_id,
        name=ReportName.CUSTOMERS_LTV,
        range_start=start,
        range_end=end,
    )
    ready = await built(retail_world, report)
    _, rows = rows_of(await download(retail_world, ready))
    expected = retail_opinion.customers_ltv(invoices, start, end)
    assert len(expected) > 3_000
    assert rows == expected
