"""What follows when a build did not get to its end.

In: the attempt, the keys it may have written to, and the error. Out: the row says what comes next,
the attempt's objects are gone, and the `Outcome` tells. Without a database to say so, the lease
runs out and the reaper decides; without a store to remove from, the janitor does it later.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from services.report_worker.failures import build_failure
from services.report_worker.outcome import Ending, Outcome, failed_event
from shared.contracts.reports import ReportBuild
from shared.contracts.routes import build_queue
from shared.database import outbox, report_builds, reports
from shared.database.pool import PASSING_ERRORS, Database
from shared.database.reports import Report
from shared.errors import TallyportError
from shared.failpoints import Step
from shared.messaging.backoff import full_jitter
from shared.objects import ObjectStore
from shared.relay import Relay
from shared.settings import ReportSettings


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Every statement is guarded by the attempt's number, and an object is removed only after the
    row has told that it cannot be published any more."""

    database: Database
    objects: ObjectStore
    relay: Relay
    settings: ReportSettings

    async def of_error(self, report: Report, keys: Sequence[str], error: Exception) -> Outcome:
        """Back to the queue, or the end."""
        failure = build_failure(error)
        spent = report.attempt - report.released
        again = failure.retryable and spent < self.settings.attempts_max
        try:
            if again:
                changed = await self._retry(report, spent, failure.code, failure.message)
            else:
                changed = await self._fail(report, failure.code, failure.message)
        except PASSING_ERRORS:
            return Outcome(Ending.LOST, failure=failure, error=error)
        if changed is None:
            return await self.of_loss(report, keys)
        await self._remove(keys)
        return Outcome(Ending.RETRYING if again else Ending.FAILED, failure=failure, error=error)

    async def of_loss(self, report: Report, keys: Sequence[str]) -> Outcome:
        """The row is not this attempt's any more: cancelled, taken over, or published after all,
        when it was the answer to our own commit that got lost."""
        try:
            async with self.database.acquire(store_id=report.store_id) as connection:
                now = await reports.find_report(connection, report.store_id, report.report_id)
        except PASSING_ERRORS as error:
            return Outcome(Ending.LOST, error=error)
        if now is not None and now.object_key is not None and now.object_key in keys:
            return Outcome(Ending.BUILT, now.rows_written, now.object_bytes or 0)
        await self._remove(keys)
        return Outcome(Ending.CANCELLED if now is None else Ending.LOST)

    async def of_release(self, report: Report) -> None:
        """A worker that stops gives the report back; it costs no attempt."""
        with suppress(*PASSING_ERRORS):
            async with self.database.transaction(
                store_id=report.store_id, step=Step.REPORT_RELEASE
            ) as connection:
                await report_builds.release_report(connection, report)

    async def make_room(self, store_id: int) -> None:
        """Send the store's next report that was put off to its queue, behind those of others. What
        is missed here is sent by the reaper."""
        with suppress(*PASSING_ERRORS):
            async with self.database.transaction(
                store_id=store_id, step=Step.REPORT_NEXT
            ) as connection:
                await report_builds.lock_builds(connection, store_id)
                following = await report_builds.next_of_store(connection, store_id)
                if following is None:
                    return
                await outbox.enqueue_command(
                    connection,
                    store_id,
                    ReportBuild(
                        store_id=store_id,
                        report_id=following.report_id,
                        traceparent=following.traceparent,
                    ),
                    queue=build_queue(large=following.is_large),
                )
            self.relay.wake()

    async def _retry(self, report: Report, spent: int, code: str, message: str) -> Report | None:
        delay_seconds = full_jitter(
            spent,
            base_seconds=self.settings.backoff_seconds_min,
            seconds_max=self.settings.backoff_seconds_max,
        )
        async with self.database.transaction(
            store_id=report.store_id, step=Step.REPORT_RETRY
        ) as connection:
            return await report_builds.retry_report(
                connection, report, delay_seconds=delay_seconds, code=code, message=message
            )

    async def _fail(self, report: Report, code: str, message: str) -> Report | None:
        async with self.database.transaction(
            store_id=report.store_id, step=Step.REPORT_FAIL
        ) as connection:
            failed = await report_builds.fail_report(connection, report, code=code, message=message)
            if failed is not None:
                await outbox.enqueue_event(connection, report.store_id, failed_event(failed))
        self.relay.wake()
        return failed

    async def _remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                await self.objects.remove(key)
            except TallyportError:
                return  # it is written down: the janitor will
