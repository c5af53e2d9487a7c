"""A report's way through the workers: claimed, kept alive, finished, given back, taken away.

Comes in: a connection (in the caller's transaction), and the report as it was claimed. Goes out:
the row as it is now, or None where the guard of a statement did not hold: the attempt's number is
the fencing token, and somebody else was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.contracts.routes import build_queue
from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.database.reports import Report, ReportFile, report_of, reports_of

_SQL = load_queries(__file__)


async def lock_builds(connection: Connection, store_id: int) -> None:
    """Hold the store's right to claim until the transaction ends, so that its share of builds is
    counted by one at a time. Call before `claim_report`."""
    await connection.execute(_SQL["lock_builds"], store_id)


@dataclass(frozen=True, slots=True)
class Owed:
    """A report that goes before the one of a message; both are of one size."""

    store_id: int
    report_id: int
    is_large: bool


async def find_owed(connection: Connection, store_id: int, report_id: int) -> Owed | None:
    """Whose turn it is before this report, if that waits and another store was served less
    recently. The other store's right to claim is held from here on."""
    row = await connection.fetchrow(_SQL["find_owed"], store_id, report_id)
    if row is None or not await connection.fetchval(_SQL["try_lock_builds"], row["store_id"]):
        return None
    return Owed(**row)


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
    return report_of(
        await connection.fetchrow(
            _SQL["claim_report"], store_id, report_id, worker, lease_seconds, builds_per_store_max
        )
    )


async def is_due(connection: Connection, store_id: int, report_id: int) -> bool:
    """Whether it waits and could be built now."""
    return bool(await connection.fetchval(_SQL["is_due"], store_id, report_id))


async def defer_report(
    connection: Connection, store_id: int, report_id: int, *, delay_seconds: float
) -> None:
    """Let it wait a little, because its store has its share of workers."""
    await connection.execute(_SQL["defer_report"], store_id, report_id, delay_seconds)


async def next_of_store(connection: Connection, store_id: int) -> Report | None:
    """The store's report that was put off first, due now: to be sent to its queue. Call after
    `lock_builds`, which a claim that is just putting one off holds."""
    return report_of(await connection.fetchrow(_SQL["next_of_store"], store_id))


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
    finished = report_of(
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
    return report_of(
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
    return report_of(
        await connection.fetchrow(
            _SQL["release_report"], report.store_id, report.report_id, report.attempt
        )
    )


async def fail_report(
    connection: Connection, report: Report, *, code: str, message: str
) -> Report | None:
    """The end, without a file."""
    return report_of(
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
    failed = reports_of(await connection.fetch(_SQL["reap_exhausted"], attempts_max))
    returned = await connection.fetch(_SQL["reap_expired"], attempts_max, spread_seconds)
    return reports_of(returned), failed


async def due_reports(
    connection: Connection, *, redispatch_seconds: float, limit: int
) -> list[Report]:
    """What has to be sent to the build queue (again); marked as sent."""
    queues = (build_queue(large=True).name, build_queue(large=False).name)
    return reports_of(
        await connection.fetch(_SQL["due_reports"], redispatch_seconds, limit, *queues)
    )


async def unfinished(connection: Connection) -> list[tuple[str, int, float]]:
    """(`waiting`, `retrying` or `building`; how many; age of the oldest in seconds)."""
    rows = await connection.fetch(_SQL["unfinished"])
    return [(row["state"], row["many"], row["seconds"]) for row in rows]
