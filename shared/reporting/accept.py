"""Accept a report: its row, its idempotency row and its promise to the build queue, at once.

From the commit on the report cannot be lost, with the broker down or up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import asyncpg

from shared.contracts.reports import ReportBuild, ReportName
from shared.contracts.routes import build_queue
from shared.database import idempotency_keys, outbox, reports
from shared.database.pool import Connection, Database
from shared.database.queries import load_queries
from shared.database.reports import NewReport, Report
from shared.errors import ConflictError, InvalidArgumentError
from shared.failpoints import Step

_SQL = load_queries(__file__)
CREATED = 201
_COUNTS = {
    ReportName.COMPLETE: "count_lines",
    ReportName.CUSTOMERS: "count_customers",
    ReportName.CUSTOMERS_LTV: "count_all_customers",
}


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key, and the SHA-256 of what was sent with it."""

    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to give. `replayed` when the same request had been answered before."""

    report_id: int
    status: int
    body: bytes
    replayed: bool


async def accept_report(
    database: Database,
    new: NewReport,
    render: Callable[[Report], bytes],
    *,
    large_rows: int,
    idempotency: Idempotency | None = None,
) -> Accepted:
    """Write the report down and promise its build. `render` makes the body of the answer.

    Raises `InvalidArgumentError` when the key came with another request before, `ConflictError`
    while the first request with it is still running.
    """
    async with database.transaction(store_id=new.store_id, step=Step.REPORT_ACCEPT) as connection:
        if idempotency is not None:
            before = await _remember(connection, new, idempotency)
            if before is not None:
                return _replay(before, idempotency)
        written, is_large = await _estimated(connection, new, large_rows)
        report = await reports.insert_report(
            connection, new, is_large=is_large, rows_estimated=written
        )
        body = render(report)
        if idempotency is not None:
            await idempotency_keys.complete_key(
                connection,
                new.store_id,
                new.user_id,
                idempotency.key,
                report_id=report.report_id,
                status=CREATED,
                body=body,
            )
        await outbox.enqueue_command(
            connection,
            new.store_id,
            ReportBuild(
                store_id=new.store_id, report_id=report.report_id, traceparent=new.traceparent
            ),
            queue=build_queue(large=is_large),
        )
    return Accepted(report.report_id, CREATED, body, replayed=False)


async def _remember(
    connection: Connection, new: NewReport, idempotency: Idempotency
) -> idempotency_keys.RememberedAnswer | None:
    await connection.execute(_SQL["limit_lock_wait"])
    try:
        return await idempotency_keys.remember_key(
            connection, new.store_id, new.user_id, idempotency.key, idempotency.fingerprint
        )
    except asyncpg.LockNotAvailableError:
        raise _still_running() from None


def _still_running() -> ConflictError:
    return ConflictError(
        "the first request with this Idempotency-Key is still running", retry_after_seconds=1
    )


def _replay(before: idempotency_keys.RememberedAnswer, idempotency: Idempotency) -> Accepted:
    if before.fingerprint != idempotency.fingerprint:
        raise InvalidArgumentError("Idempotency-Key was used before with another request")
    if before.status is None or before.body is None:
        raise _still_running()
    return Accepted(before.report_id, before.status, before.body, replayed=True)


async def _estimated(
    connection: Connection, new: NewReport, large_rows: int
) -> tuple[int | None, bool]:
    """(about how many rows will be written, whether it is large). What cannot be counted in time,
    because a table is locked or the database is busy, is accepted as large: that queue is for
    what may take long, and its worker estimates anew."""
    trying = connection.transaction()  # a savepoint: the limits end with it
    await trying.start()
    try:
        await connection.execute(_SQL["limit_estimate"])
        written, read = await estimate_rows(connection, new, at_most=large_rows + 1)
    except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError):
        return None, True
    finally:
        await trying.rollback()
    return written, read > large_rows


async def estimate_rows(connection: Connection, new: NewReport, *, at_most: int) -> tuple[int, int]:
    """(about how many rows will be written, how many will be read): each kind of row is counted up
    to `at_most`, for more than that is large anyway."""
    counted = await connection.fetchrow(
        _SQL[_COUNTS[new.name]], new.store_id, new.range_start, new.range_end, at_most
    )
    return (0, 0) if counted is None else (counted["written"], max(*counted.values()))
