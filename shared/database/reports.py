"""The rows of reports: their states, guarded in SQL, for the gateway and the report workers.

Comes in: a connection (in the caller's transaction) and values. Goes out: `Report`, a frozen
picture of a row, or None where the guard of a statement did not hold: somebody else was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import asyncpg

from shared.contracts.reports import ReportFormat, ReportName
from shared.database.pool import Connection
from shared.database.queries import load_queries

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
    ahead: int | None = None


_COLUMNS = tuple(field.name for field in fields(Report) if field.name not in ("files", "ahead"))


def _report(row: asyncpg.Record | None) -> Report | None:
    if row is None:
        return None
    values: dict[str, Any] = {column: row[column] for column in _COLUMNS}
    if "files" in row.keys():  # noqa: SIM118 - a Record's `in` looks at values
        values["files"] = tuple(ReportFile(**file) for file in row["files"] or ())
        values["ahead"] = row["ahead"]
    return Report(**values)


def _reports(rows: Sequence[asyncpg.Record]) -> list[Report]:
    return [report for row in rows if (report := _report(row)) is not None]


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
    report = _report(row)
    if report is None:
        raise RuntimeError("INSERT ... RETURNING returned nothing")
    return report


async def find_report(connection: Connection, store_id: int, report_id: int) -> Report | None:
    """The store's report with its files, or None."""
    return _report(await connection.fetchrow(_SQL["find_report"], store_id, report_id))


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
    return _reports(rows), int(total)


async def delete_report(connection: Connection, store_id: int, report_id: int) -> bool:
    """Remove the report; a build of it that is under way can no longer finish."""
    return await connection.fetchval(_SQL["delete_report"], store_id, report_id) is not None


async def claim_report(
    connection: Connection,
    store_id: int,
    report_id: int,
    *,
    worker: str,
    lease_seconds: float,
    builds_per_store_max: int,
) -> Report | None:
    """Take the report for one attempt, or None: somebody else has it, or it is done."""
    return _report(
        await connection.fetchrow(
            _SQL["claim_report"], store_id, report_id, worker, lease_seconds, builds_per_store_max
        )
    )


async def lock_builds(connection: Connection, store_id: int) -> None:
    """Hold the store's right to claim until the transaction ends, so that its share of builds is
    counted by one at a time. Call before `claim_report`."""
    await connection.execute(_SQL["lock_builds"], store_id)


async def is_due(connection: Connection, store_id: int, report_id: int) -> bool:
    """Whether it waits and could be built now."""
    return bool(await connection.fetchval(_SQL["is_due"], store_id, report_id))


async def defer_report(
    connection: Connection, store_id: int, report_id: int, *, delay_seconds: float
) -> None:
    """Let it wait a little, because its store has its share of workers."""
    await connection.execute(_SQL["defer_report"], store_id, report_id, delay_seconds)


async def renew_lease(
    connection: Connection,
    report: Report,
    *,
    lease_seconds: float,
    stage: str,
    rows_written: int,
    rows_estimated: int | None = None,
) -> bool:
    """The heartbeat. False: cancelled or taken over, stop building."""
    return (
        await connection.fetchval(
            _SQL["renew_lease"],
            report.store_id,
            report.report_id,
            report.attempt,
            lease_seconds,
            stage,
            rows_written,
            rows_estimated,
        )
        is not None
    )


async def note_upload(connection: Connection, report: Report, object_key: str) -> bool:
    """Write down where this attempt will put its object. False: the attempt is no longer ours."""
    key = await connection.fetchval(
        _SQL["note_upload"], report.store_id, report.report_id, report.attempt, object_key
    )
    return key is not None


async def finish_report(
    connection: Connection,
    report: Report,
    *,
    object_key: str,
    object_bytes: int,
    object_sha256: str,
    files: Sequence[ReportFile],
    retention_days: int,
) -> Report | None:
    """Publish the attempt's object, with its files, or None if the attempt was fenced off.

    Call inside a transaction, with the event's promise in it.
    """
    finished = _report(
        await connection.fetchrow(
            _SQL["finish_report"],
            report.store_id,
            report.report_id,
            report.attempt,
            object_key,
            object_bytes,
            object_sha256,
            sum(file.rows for file in files),
            retention_days,
        )
    )
    if finished is not None:
        await connection.executemany(
            _SQL["insert_report_file"],
            [
                (
                    report.store_id,
                    report.report_id,
                    ordinal,
                    file.name,
                    file.rows,
                    file.bytes,
                    file.sha256,
                )
                for ordinal, file in enumerate(files, start=1)
            ],
        )
    return finished


async def retry_report(
    connection: Connection, report: Report, *, delay_seconds: float, code: str, message: str
) -> Report | None:
    """Back to the queue after a transient failure."""
    return _report(
        await connection.fetchrow(
            _SQL["retry_report"],
            report.store_id,
            report.report_id,
            report.attempt,
            delay_seconds,
            code,
            message,
        )
    )


async def release_report(connection: Connection, report: Report) -> Report | None:
    """Give back a build that a stopping worker will not finish."""
    return _report(
        await connection.fetchrow(
            _SQL["release_report"], report.store_id, report.report_id, report.attempt
        )
    )


async def fail_report(
    connection: Connection, report: Report, *, code: str, message: str
) -> Report | None:
    """The end, without a file."""
    return _report(
        await connection.fetchrow(
            _SQL["fail_report"], report.store_id, report.report_id, report.attempt, code, message
        )
    )


# Any constant: it names the lock "reaping reports".
_REAPER_LOCK = 0x7A11_0EA9


async def lock_reaper(connection: Connection) -> bool:
    """Whether this transaction is the one that reaps now."""
    return bool(await connection.fetchval(_SQL["lock_reaper"], _REAPER_LOCK))


async def reap_expired(
    connection: Connection, *, attempts_max: int, spread_seconds: float
) -> tuple[list[Report], list[Report]]:
    """Take back expired leases: (returned to the queue, failed for good)."""
    failed = _reports(await connection.fetch(_SQL["reap_exhausted"], attempts_max))
    returned = _reports(await connection.fetch(_SQL["reap_expired"], attempts_max, spread_seconds))
    return returned, failed


async def due_reports(
    connection: Connection, *, redispatch_seconds: float, limit: int
) -> list[Report]:
    """What has to be sent to the build queue (again); marked as sent."""
    return _reports(await connection.fetch(_SQL["due_reports"], redispatch_seconds, limit))


@dataclass(frozen=True, slots=True)
class AbandonedUpload:
    store_id: int
    report_id: int
    attempt: int
    object_key: str


async def abandoned_uploads(
    connection: Connection, *, age_seconds: float, limit: int
) -> list[AbandonedUpload]:
    """Objects that no report points at, started at least `age_seconds` ago."""
    rows = await connection.fetch(_SQL["abandoned_uploads"], age_seconds, limit)
    return [AbandonedUpload(**row) for row in rows]


async def forget_upload(connection: Connection, upload: AbandonedUpload) -> None:
    """The object is gone."""
    await connection.execute(
        _SQL["forget_upload"], upload.store_id, upload.report_id, upload.attempt
    )


async def expire_files(connection: Connection) -> int:
    """Withdraw the links of files past their retention; how many."""
    return len(await connection.fetch(_SQL["expire_files"]))


async def expire_idempotency_keys(connection: Connection) -> None:
    """Forget keys older than a day."""
    await connection.execute(_SQL["expire_idempotency_keys"])


@dataclass(frozen=True, slots=True)
class RememberedAnswer:
    """What was answered to an idempotency key; `body` is None while that is still running."""

    fingerprint: bytes
    report_id: int
    status: int | None
    body: bytes | None


async def remember_key(
    connection: Connection, store_id: int, user_id: int, key: str, fingerprint: bytes
) -> RememberedAnswer | None:
    """Reserve the key in this transaction (None), or what it was answered before."""
    arguments = (store_id, user_id, key)
    if await connection.fetchval(_SQL["insert_idempotency_key"], *arguments, fingerprint):
        return None
    row = await connection.fetchrow(_SQL["find_idempotency_key"], *arguments)
    return RememberedAnswer(**row) if row else None


async def complete_key(
    connection: Connection,
    store_id: int,
    user_id: int,
    key: str,
    *,
    report_id: int,
    status: int,
    body: bytes,
) -> None:
    """Keep the answer, in the same transaction."""
    await connection.execute(
        _SQL["complete_idempotency_key"], store_id, user_id, key, report_id, status, body
    )
