"""The outbox relay: publishes what transactions have promised, and only then forgets it.

Comes in: rows of the outbox, whoever wrote them. Goes out: messages, confirmed by the broker. Every
process that writes promises runs one; they share the work by SKIP LOCKED. A message may be
published twice (a crash between the confirm and the commit), never not at all.

It is woken at once by its own process (`wake`), by LISTEN for the promises of others, and looks by
itself now and then in case both failed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog
from prometheus_client import Gauge

from shared.contracts.routes import BUILDS, EVENTS, EVENTS_EXCHANGE
from shared.database import outbox
from shared.database.outbox import Promise
from shared.database.pool import EVERY_STORE, PASSING_ERRORS, Database
from shared.errors import TallyportError
from shared.failpoints import Step
from shared.listening import Listener, within
from shared.messaging.backoff import full_jitter
from shared.messaging.cloud_events import cloud_event_headers
from shared.messaging.publisher import Publisher
from shared.messaging.spans import sending
from shared.messaging.topology import EARLIER_BINDINGS
from shared.tracing import HEADER, traceparent

BATCH = 100
# A batch is published inside the transaction that holds its rows: what is not confirmed by then
# is left for later.
HOLD_SECONDS = 3.0
POLL_SECONDS = 5.0
POLL_SECONDS_DEAF = 1.0
RETRY_SECONDS_MIN = 0.1
RETRY_SECONDS_MAX = 1.0
GAUGE_SECONDS = 1.0

DEPTH = Gauge("tallyport_outbox_depth", "Promised messages that are not published yet")
AGE = Gauge("tallyport_outbox_age_seconds", "Age of the oldest promise not published yet")

log = structlog.get_logger(__name__)


class Relay:
    """One for each process. It uses one of the database's connections while it publishes, and one
    to listen, unless the process has a listener that it may share."""

    def __init__(
        self, database: Database, publisher: Publisher, listener: Listener | None = None
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._woken = asyncio.Event()
        self._listener = listener or Listener(database)
        self._listener.hear(outbox.CHANNEL, self._heard)
        self._is_shared = listener is not None
        self._measured_at = 0.0

    def wake(self) -> None:
        """There is something new: call it after the commit."""
        self._woken.set()

    @property
    def is_listening(self) -> bool:
        """Whether it would hear of a promise of another process at once."""
        return self._listener.is_listening

    def _heard(self, _payload: str | None) -> None:
        # Something may have been promised before we listened, too.
        self._woken.set()

    async def run(self) -> None:
        """Relay until cancelled."""
        async with asyncio.TaskGroup() as group:
            if not self._is_shared:
                group.create_task(self._listener.run(), name="outbox listen")
            group.create_task(self._relay(), name="outbox relay")

    async def relay_once(self) -> tuple[int, int]:
        """Publish everything that can be published now: (sent, left). What the broker does not
        take, e.g. because no consumer has made the queue yet, does not hold up the rest. Raises
        `UnavailableError` when the database does not answer."""
        sent = left = 0
        refused: set[str] = set()
        while True:
            async with self._database.transaction(
                store_id=EVERY_STORE, step=Step.OUTBOX_RELAY
            ) as connection:
                promises = await outbox.take(connection, limit=BATCH, without=refused)
                kept = await self._publish(promises)
                left_here = {promise.outbox_id for promise in kept}
                await outbox.remove(
                    connection, [p for p in promises if p.outbox_id not in left_here]
                )
            sent += len(promises) - len(kept)
            left += len(kept)
            refused.update(promise.routing_key for promise in kept)
            if not promises:
                return sent, left

    async def _relay(self) -> None:
        failures = 0
        while True:
            self._woken.clear()
            try:
                sent, left = await self.relay_once()
                await self._measure()
            except PASSING_ERRORS as error:
                sent, left = 0, 1
                log.warning("outbox.waiting", reason=str(error))
            failures = failures + 1 if left and not sent else 0
            if failures:
                # Not to be woken: with the broker down, every new promise would ask it again.
                await asyncio.sleep(
                    full_jitter(
                        failures, base_seconds=RETRY_SECONDS_MIN, seconds_max=RETRY_SECONDS_MAX
                    )
                )
            await within(
                POLL_SECONDS if self.is_listening and not left else POLL_SECONDS_DEAF, self._woken
            )

    async def _publish(self, promises: Sequence[Promise]) -> list[Promise]:
        """Publish all at once; those that were not confirmed in time."""
        if not promises:
            return []
        tasks = {asyncio.create_task(self._publish_one(promise)): promise for promise in promises}
        try:
            await asyncio.wait(tasks, timeout=HOLD_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        return [promise for task, promise in tasks.items() if not _was_sent(task, promise)]

    async def _publish_one(self, promise: Promise) -> None:
        headers = {**promise.headers, **_event_headers(promise)}
        exchange = _exchange_of(promise)
        with sending(
            exchange,
            promise.routing_key,
            promise.kind,
            promise.message_id,
            kept=headers.get(HEADER),
        ):
            if context := traceparent():
                headers[HEADER] = context
            await self._publisher.publish_body(
                exchange=exchange,
                routing_key=promise.routing_key,
                kind=promise.kind,
                message_id=str(promise.message_id),
                body=promise.body,
                headers=headers,
                mandatory=promise.mandatory,
            )

    async def _measure(self) -> None:
        now = time.monotonic()
        if now - self._measured_at < GAUGE_SECONDS:
            return
        self._measured_at = now
        async with self._database.acquire(store_id=EVERY_STORE) as connection:
            depth, age = await outbox.depth(connection)
        DEPTH.set(depth)
        AGE.set(age)


def _was_sent(task: asyncio.Task[None], promise: Promise) -> bool:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, TallyportError):
        log.error("outbox.refused", kind=promise.kind, exc_info=error)
    return not task.cancelled() and error is None


def _exchange_of(promise: Promise) -> str:
    """Where its queue is bound now: an earlier version may have promised it by another exchange."""
    if (promise.exchange, promise.routing_key) in EARLIER_BINDINGS:
        return BUILDS
    return promise.exchange


def _event_headers(promise: Promise) -> dict[str, str]:
    """CloudEvents attributes. The source says what the event is about, not which process happened
    to publish it: with its id it has to be the same when it is published twice."""
    if promise.exchange != EVENTS_EXCHANGE or promise.kind not in EVENTS:
        return {}
    event = EVENTS[promise.kind].model_validate_json(promise.body)
    return cloud_event_headers(event, f"/tallyport/{promise.kind.partition('.')[0]}")
