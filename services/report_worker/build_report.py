"""The use case: claim a report, build it, finish it.

In: the pointer that a message carries. Out: an `Outcome`, after the report's row says the same. All
statements carry the attempt's number, so that whoever lost the report can finish nothing, however
long it was frozen (docs/architecture.md, A report's life).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from services.report_worker.aftermath import Aftermath
from services.report_worker.copying import Progress
from services.report_worker.exports.catalog import EXPORTS
from services.report_worker.failures import ObjectMismatchError, UnsupportedReportError
from services.report_worker.formats.catalog import find_format
from services.report_worker.heartbeat import AttemptLostError, keep_alive
from services.report_worker.outcome import Ending, Outcome, ready_event
from services.report_worker.production import Produced, Production, first_cause
from services.report_worker.settings import WorkerSettings
from shared import failpoints
from shared.contracts.reports import ReportBuild
from shared.contracts.routes import build_queue
from shared.database import outbox, report_builds, report_uploads
from shared.database.pool import EVERY_STORE, Connection, Database
from shared.database.reports import Report
from shared.failpoints import Step
from shared.relay import Relay
from shared.settings import ReportSettings


@dataclass(frozen=True, slots=True)
class ReportBuilder:
    """One for each process. `worker` names it in the rows that it holds."""

    worker: str
    database: Database
    production: Production
    aftermath: Aftermath
    relay: Relay
    settings: WorkerSettings
    reports: ReportSettings

    async def take(
        self, store_id: int, report_id: int, *, traceparent: str | None = None
    ) -> Report | None:
        """What to build for a message: its report, or one of a store whose turn it is before. Then
        the message's report gets another message, behind those that wait, of the same trace."""
        async with self.database.transaction(
            store_id=EVERY_STORE, step=Step.REPORT_TAKE
        ) as connection:
            owed = await report_builds.find_owed(connection, store_id, report_id)
            report = None
            if owed is not None:
                report = await self._claim(connection, owed.store_id, owed.report_id)
            if owed is not None and report is not None:
                again = ReportBuild(store_id=store_id, report_id=report_id, traceparent=traceparent)
                await outbox.enqueue_command(
                    connection, store_id, again, queue=build_queue(large=owed.is_large)
                )
        if report is None:
            return await self.claim(store_id, report_id)
        self.relay.wake()
        return report

    async def claim(self, store_id: int, report_id: int) -> Report | None:
        """Take the report for one attempt. None: somebody else has it, or it is done, or its store
        has its share of builds (then it is looked at again in a few seconds)."""
        async with self.database.transaction(
            store_id=store_id, step=Step.REPORT_CLAIM
        ) as connection:
            await report_builds.lock_builds(connection, store_id)
            report = await self._claim(connection, store_id, report_id)
            if report is None and await report_builds.is_due(connection, store_id, report_id):
                await report_builds.defer_report(
                    connection, store_id, report_id, delay_seconds=self.settings.defer_seconds
                )
        return report

    async def _claim(self, connection: Connection, store_id: int, report_id: int) -> Report | None:
        return await report_builds.claim_report(
            connection,
            store_id,
            report_id,
            worker=self.worker,
            lease_seconds=self.reports.lease_seconds,
            builds_per_store_max=self.settings.builds_per_store_max,
        )

    async def build(self, report: Report) -> Outcome:
        """Build what was claimed, to one of its endings. Cancelling gives the report back."""
        keys: list[str] = []
        try:
            outcome = await self._build(report, keys)
        except AttemptLostError:
            outcome = await self.aftermath.of_loss(report, keys)
        except asyncio.CancelledError:
            await self.aftermath.of_release(report)
            raise
        except Exception as error:  # noqa: BLE001 - the table of failures knows every fate
            outcome = await self.aftermath.of_error(report, keys, error)
        await self.aftermath.make_room(report.store_id)
        return outcome

    async def _build(self, report: Report, keys: list[str]) -> Outcome:
        progress = Progress()
        try:
            async with asyncio.TaskGroup() as group:
                heart = group.create_task(
                    keep_alive(
                        self.database,
                        report,
                        progress,
                        heartbeat_seconds=self.reports.heartbeat_seconds,
                        lease_seconds=self.reports.lease_seconds,
                    )
                )
                produced = await self._produce(report, progress, keys)
                heart.cancel()
        except BaseExceptionGroup as several:
            raise first_cause(several) from several
        return await self._finish(report, produced)

    async def _produce(self, report: Report, progress: Progress, keys: list[str]) -> Produced:
        """The report's object, and the store's own word that it is there."""
        export = EXPORTS.get(report.name)
        format_ = find_format(report.format)
        if export is None or format_ is None:
            raise UnsupportedReportError(f"{report.name} as {report.format}")

        async def note_upload(key: str) -> None:
            if key in keys:  # a format that needed more room, and began again
                return
            async with self.database.acquire(store_id=report.store_id) as connection:
                await failpoints.before(Step.UPLOAD_NOTE, connection.terminate)
                if not await report_uploads.note_upload(connection, report, key):
                    raise AttemptLostError
                await failpoints.after(Step.UPLOAD_NOTE, connection.terminate)
            keys.append(key)

        produced = await self.production.produce(report, export, format_, progress, note_upload)
        progress.stage = "checking"
        stored = await self.production.objects.stat(produced.object.key)
        sent = produced.object
        if stored is None or (stored.bytes, stored.etag) != (sent.bytes, sent.etag):
            raise ObjectMismatchError(f"{sent} was sent, {stored} is there")
        return produced

    async def _finish(self, report: Report, produced: Produced) -> Outcome:
        """Publish the object, with its files and the promise of the event, or nothing of it."""
        async with self.database.transaction(
            store_id=report.store_id, step=Step.REPORT_FINISH
        ) as connection:
            finished = await report_builds.finish_report(
                connection,
                report,
                object_key=produced.object.key,
                object_bytes=produced.object.bytes,
                object_sha256=produced.object.sha256,
                files=produced.files,
                retention_days=self.reports.retention_days,
            )
            if finished is None:
                raise AttemptLostError
            await outbox.enqueue_event(connection, report.store_id, ready_event(finished))
        self.relay.wake()
        return Outcome(Ending.BUILT, finished.rows_written, produced.object.bytes)
