"""Data for report tests, and waiting for what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from services.report_worker.build_report import ReportBuilder
from shared.contracts.reports import ReportBuild, ReportFormat, ReportName
from shared.contracts.routes import build_queue
from shared.database import outbox, reports
from shared.database.pool import Database
from shared.database.reports import NewReport, Report
from shared.objects import ObjectStore

T = TypeVar("T")
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
LAST = datetime(2030, 1, 1, tzinfo=UTC)

MANY_CUSTOMERS = """
INSERT INTO customers
SELECT $1, 'c' || lpad(i::text, 9, '0'), 'user' || i || '@example.com', 'First ' || i,
       'Last, ' || i, '', false, '2021-01-01'::timestamptz + i * interval '1 second',
       '2021-01-01'::timestamptz + i * interval '1 second',
       'First ' || i, 'Last ' || i, 'Company', '1 Main Street', '', 'Springfield', 'OR', '97477',
       'US', '555 0100',
       'First ' || i, 'Last ' || i, 'Company', '1 Main Street', '', 'Springfield', 'OR', '97477',
       'US', '555 0100'
  FROM generate_series(1, $2::int) i
"""


@dataclass(frozen=True)
class World:
    """What a report test needs: engines, a store of its own, and builders on them."""

    database: Database
    objects: ObjectStore
    store_id: int
    user_id: int
    make_builder: Callable[..., ReportBuilder]


async def add_customers(database: Database, store_id: int, count: int) -> None:
    async with database.acquire() as connection:
        await connection.execute(MANY_CUSTOMERS, store_id, count)


async def queue_report(
    database: Database,
    store_id: int,
    user_id: int,
    *,
    name: ReportName = ReportName.CUSTOMERS,
    format_: ReportFormat = ReportFormat.CSV,
    compress: bool = False,
    timezone: str = "Europe/London",
    range_start: datetime = FIRST,
    range_end: datetime = LAST,
    is_large: bool = False,
    counted: int | None = None,
    dispatch: bool = False,
) -> Report:
    """A report, as the gateway would have accepted it when it had counted so many rows."""
    new = NewReport(
        store_id=store_id,
        user_id=user_id,
        name=name,
        version="1",
        format=format_,
        compress=compress,
        timezone=timezone,
        range_start=range_start,
        range_end=range_end,
    )
    async with database.transaction() as connection:
        report = await reports.insert_report(
            connection, new, is_large=is_large, rows_estimated=counted
        )
        if dispatch:
            message = ReportBuild(store_id=store_id, report_id=report.report_id)
            queue = build_queue(large=is_large)
            await outbox.enqueue_command(connection, store_id, message, queue=queue)
    return report


async def row(database: Database, report: Report) -> Report | None:
    async with database.acquire() as connection:
        return await reports.find_report(connection, report.store_id, report.report_id)


async def events(database: Database, report: Report) -> list[str]:
    """The kinds of the events that are promised for the report."""
    async with database.acquire() as connection:
        rows = await connection.fetch(
            "SELECT kind FROM outbox WHERE store_id = $1 AND exchange = 'tallyport.events'"
            " AND convert_from(body, 'utf8')::jsonb ->> 'report_id' = $2::bigint::text",
            report.store_id,
            report.report_id,
        )
    return [row["kind"] for row in rows]


async def uploads(database: Database, report: Report) -> list[str]:
    """The keys that its attempts have written down, oldest first."""
    async with database.acquire() as connection:
        rows = await connection.fetch(
            "SELECT object_key FROM report_uploads WHERE store_id = $1 AND report_id = $2"
            " ORDER BY attempt",
            report.store_id,
            report.report_id,
        )
    return [row["object_key"] for row in rows]
