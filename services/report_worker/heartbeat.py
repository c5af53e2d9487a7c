"""The sign of life of a build.

In: the claimed report and its progress. Out: a lease that does not run out while the build lives;
`AttemptLostError` when the report was cancelled or taken over.
"""

from __future__ import annotations

import asyncio

import structlog

from services.report_worker.copying import Progress
from shared import failpoints
from shared.database import report_builds
from shared.database.pool import PASSING_ERRORS, Database
from shared.database.reports import Report
from shared.failpoints import Step

log = structlog.get_logger(__name__)


class AttemptLostError(Exception):
    """This attempt may not finish any more: somebody else has the report, or nobody wants it."""


async def keep_alive(
    database: Database,
    report: Report,
    progress: Progress,
    *,
    heartbeat_seconds: float,
    lease_seconds: float,
) -> None:
    """Renew until cancelled. A database that does not answer ends nothing: the build's last
    statement is guarded all the same, and it may answer again by then."""
    while True:
        await asyncio.sleep(heartbeat_seconds)
        try:
            async with database.acquire(store_id=report.store_id) as connection:
                await failpoints.before(Step.REPORT_HEARTBEAT, connection.terminate)
                alive = await report_builds.renew_lease(
                    connection,
                    report,
                    lease_seconds=lease_seconds,
                    stage=progress.stage,
                    rows_written=progress.rows,
                    rows_estimated=progress.rows_estimated,
                )
                await failpoints.after(Step.REPORT_HEARTBEAT, connection.terminate)
        except PASSING_ERRORS as error:
            log.warning("report.heartbeat_missed", reason=str(error))
            continue
        if not alive:
            raise AttemptLostError
