"""The rows of reports, as whoever asks for them sees them: written, found, listed, removed.

Comes in: a connection (in the caller's transaction) and values. Goes out: `Report`, a frozen
picture of a row. What workers do to it is in `report_builds`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import asyncpg

from shared.contracts.reports import ReportFormat, ReportName
from shared.database.pool import Connection
from shared.database.queries import load_queries

# Heard by whoever listens when something of a report changes that a caller can see; the payload is
# "{store_id}/{report_id}".
CHANNEL = "tallyport_reports"
_SQL = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class NewReport:
    """A request that was checked. The range is instants, both inclusive."""

    store_id: int
    user_id: int
    name: ReportName
    version: str
    format: ReportFormat
    compress: bool
    timezone: str
    range_start: datetime
    range_end: datetime
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One file of a finished report. `bytes` and `sha256` are of its content, uncompressed."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Report:
    """A row of `reports`."""

    store_id: int
    report_id: int
    user_id: int
    name: str
    version: str
    format: str
    compress: bool
    timezone: str
    range_start: datetime
    range_end: datetime
    is_large: bool
    status: str
    stage: str
    attempt: int
    released: int
    next_attempt_at: datetime
    rows_written: int
    rows_estimated: int | None
    failure_code: str | None
    failure_message: str | None
    object_key: str | None
    object_bytes: int | None
    object_sha256: str | None
    ready_at: datetime | None
    file_expires_at: datetime | None
    file_removed_at: datetime | None
    traceparent: str | None
    date_created: datetime
    date_modified: datetime
    files: tuple[ReportFile, ...] = ()
    # How many of its size wait in front of it, while it waits.
    ahead: int | None = None


_COLUMNS = tuple(field.name for field in fields(Report) if field.name not in ("files", "ahead"))


def report_of(row: asyncpg.Record | None) -> Report | None:
    """The picture of a row, if there is one."""
    if row is None:
        return None
    values: dict[str, Any] = {column: row[column] for column in _COLUMNS}
    if "files" in row.keys():  # noqa: SIM118 - a Record's `in` looks at values
        values["files"] = tuple(ReportFile(**file) for file in row["files"] or ())
        values["ahead"] = row["ahead"]
    return Report(**values)


def reports_of(rows: Sequence[asyncpg.Record]) -> list[Report]:
    """The pictures of rows."""
    return [report for row in rows if (report := report_of(row)) is not None]


async def insert_report(
    connection: Connection, new: NewReport, *, is_large: bool, rows_estimated: int | None
) -> Report:
    """Write the `queued` row."""
    row = await connection.fetchrow(
        _SQL["insert_report"],
        new.store_id,
        new.user_id,
        new.name.value,
        new.version,
        new.format.value,
        new.compress,
        new.timezone,
        new.range_start,
        new.range_end,
        is_large,
        rows_estimated,
        new.traceparent,
    )
    report = report_of(row)
    if report is None:
        raise RuntimeError("INSERT ... RETURNING returned nothing")
    return report


async def find_report(connection: Connection, store_id: int, report_id: int) -> Report | None:
    """The store's report with its files, or None."""
    return report_of(await connection.fetchrow(_SQL["find_report"], store_id, report_id))


async def find_reports(
    connection: Connection, keys: Collection[tuple[int, int]]
) -> dict[tuple[int, int], Report]:
    """Reports by (store_id, report_id), with their files; those that are gone are missing."""
    rows = await connection.fetch(
        _SQL["find_reports"], [store for store, _ in keys], [report for _, report in keys]
    )
    return {(report.store_id, report.report_id): report for report in reports_of(rows)}


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Which of a store's reports; None: whatever it is. Both bounds are inclusive."""

    statuses: tuple[str, ...] | None = None
    name: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None

    @property
    def arguments(self) -> tuple[object, ...]:
        return (self.statuses, self.name, self.created_from, self.created_to)


async def list_reports(
    connection: Connection,
    store_id: int,
    chosen: ReportFilter,
    *,
    newest_first: bool,
    limit: int,
    offset: int,
) -> tuple[list[Report], int]:
    """(one page, how many there are in all). Call inside a transaction."""
    rows = await connection.fetch(
        _SQL["list_reports"], store_id, *chosen.arguments, newest_first, limit, offset
    )
    total = await connection.fetchval(_SQL["count_reports"], store_id, *chosen.arguments)
    return reports_of(rows), int(total)


async def delete_report(connection: Connection, store_id: int, report_id: int) -> Report | None:
    """Remove the report, and tell what it was; a build of it can no longer finish."""
    return report_of(await connection.fetchrow(_SQL["delete_report"], store_id, report_id))
