"""Seeing to it that no report is stuck: every few seconds, one worker at a time.

In: the rows of reports. Out: leases of lost workers taken back, reports that have used up their
attempts failed with their event, and everything that is due sent to its queue (again). A message
that comes twice is dropped by the claim.
"""

from __future__ import annotations

import asyncio

import structlog
from prometheus_client import Gauge

from services.report_worker.outcome import failed_event
from shared.contracts.reports import ReportBuild
from shared.contracts.routes import build_queue
from shared.database import outbox, report_builds
from shared.database.pool import EVERY_STORE, PASSING_ERRORS, Connection, Database
from shared.failpoints import Step
from shared.relay import Relay
from shared.settings import ReportSettings

DISPATCH_MAX = 500

UNFINISHED = Gauge(
    "tallyport_reports_unfinished",
    "Reports of all stores that are neither ready nor given up, as every worker sees them.",
    ("state",),
)
OLDEST_SECONDS = Gauge(
    "tallyport_reports_oldest_seconds",
    "Since when the oldest of them has been waiting for what comes next.",
    ("state",),
)

log = structlog.get_logger(__name__)


class Reaper:
    """One runs in each worker; an advisory lock lets one of them act."""

    def __init__(self, database: Database, relay: Relay, settings: ReportSettings) -> None:
        self._database = database
        self._relay = relay
        self._settings = settings

    async def run(self) -> None:
        """Reap until cancelled."""
        while True:
            try:
                await self.reap()
                await self.count()
            except PASSING_ERRORS as error:
                log.warning("reaper.waiting", reason=str(error))
            await asyncio.sleep(self._settings.reap_seconds)

    async def reap(self) -> None:
        """Once. Raises `UnavailableError`."""
        async with self._database.transaction(
            store_id=EVERY_STORE, step=Step.REPORT_REAP
        ) as connection:
            if not await report_builds.lock_reaper(connection):
                return
            dispatched = await self._reap(connection)
        if dispatched:
            self._relay.wake()

    async def count(self) -> None:
        """How many reports are on their way. Raises `UnavailableError`."""
        async with self._database.acquire(store_id=EVERY_STORE) as connection:
            for state, many, seconds in await report_builds.unfinished(connection):
                UNFINISHED.labels(state).set(many)
                OLDEST_SECONDS.labels(state).set(seconds)

    async def _reap(self, connection: Connection) -> bool:
        returned, exhausted = await report_builds.reap_expired(
            connection,
            attempts_max=self._settings.attempts_max,
            spread_seconds=self._settings.backoff_seconds_min,
        )
        for report in returned:
            log.warning("report.reaped", **_ids(report.store_id, report.report_id))
        for report in exhausted:
            log.error("report.failed", **_ids(report.store_id, report.report_id))
            await outbox.enqueue_event(connection, report.store_id, failed_event(report))
        due = await report_builds.due_reports(
            connection,
            redispatch_seconds=self._settings.redispatch_seconds,
            limit=DISPATCH_MAX,
        )
        for report in due:
            message = ReportBuild(
                store_id=report.store_id,
                report_id=report.report_id,
                traceparent=report.traceparent,
            )
            queue = build_queue(large=report.is_large)
            await outbox.enqueue_command(connection, report.store_id, message, queue=queue)
        return bool(due or exhausted)


def _ids(store_id: int, report_id: int) -> dict[str, int]:
    return {"store_id": store_id, "report_id": report_id}
