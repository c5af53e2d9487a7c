"""What is done with one delivery: read it, run its handler, and give the outcome its fate.

In: a delivery and its receipt. Out: a reply, a dead letter, or a message that stays on the queue.
Nothing escapes from here but a cancellation, and AskerLeft.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

import structlog
from aiormq.abc import DeliveredMessage
from prometheus_client import Counter

from shared.contracts.message import Message
from shared.contracts.routes import Queue, QueueType, may_be_answered
from shared.errors import InternalError, TallyportError, UnavailableError
from shared.failpoints import Step
from shared.messaging.askers import Asker
from shared.messaging.backoff import full_jitter
from shared.messaging.connection import Broker
from shared.messaging.dead_letters import DeadLetters, bounded
from shared.messaging.delivery import Answer, Delivery, Handler, Receipt
from shared.messaging.envelope import context_of
from shared.messaging.fates import Fate, fate_of
from shared.messaging.intake import KIND_CHARS_MAX, read
from shared.messaging.metrics import DEAD_LETTERED, HANDLED, RETRIES, WAIT_SECONDS
from shared.messaging.publisher import Publisher
from shared.messaging.replies import Replies, answer_of, failure_of
from shared.messaging.spans import processing

RETRY_SECONDS_BASE = 0.5
# What stands behind it waits as well, all of it where prefetch is 1: so long the queue of a process
# may stand still when what was away is back. An attempt in vain costs next to nothing.
RETRY_SECONDS_MAX = 5.0
# Of what an error itself asks for.
RETRY_AFTER_SECONDS_MAX = 30.0
# Well under the broker's consumer timeout (30 minutes), which would take the message away.
RETRY_TOTAL_SECONDS = 300.0
UNKNOWN_KIND = "unknown"

log = structlog.get_logger(__name__)


class Handling:
    """The handlers of one queue. `before_early_ack` is awaited before the broker hears of an early
    acknowledgement, and so before it sends the next message."""

    def __init__(
        self,
        broker: Broker,
        queue: Queue,
        handlers: Mapping[type[Message], Handler],
        *,
        before_early_ack: Callable[[], Awaitable[None]],
    ) -> None:
        self._queue = queue
        self._handlers = handlers
        self._accepted = {cls.KIND: cls for cls in handlers}
        self._dead_letters = DeadLetters(Publisher(broker))
        self._replies = Replies(broker, together=queue.type is QueueType.CLASSIC)
        self._before_early_ack = before_early_ack
        self._wait_seconds = WAIT_SECONDS.labels(queue.name)
        self._stopping = asyncio.Event()
        self.acknowledged_early = 0

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """No further attempts: what is waiting for one goes back to the queue."""
        self._stopping.set()

    async def handle(self, message: DeliveredMessage, receipt: Receipt, asker: Asker) -> None:
        """See a message through to its end. An unsettled receipt afterwards means: give it back.
        Raises AskerLeft when the handler was interrupted because nobody waits for it any more."""
        properties = message.header.properties
        try:
            command = read(message, self._queue, self._accepted)
        except TallyportError as error:
            kind = (properties.message_type or UNKNOWN_KIND)[:KIND_CHARS_MAX]
            if await self._put_away(message, error, kind, receipt):
                await self._answer(properties.reply_to, properties.correlation_id, error)
                await self._finish(receipt, UNKNOWN_KIND, "refused")
            return
        early = False

        async def acknowledge() -> None:
            nonlocal early
            if not early:
                early = True
                self.acknowledged_early += 1
                await self._before_early_ack()
                await receipt.acknowledge(Step.MESSAGE_ACKNOWLEDGE_EARLY)

        now = datetime.now(UTC)
        # Of what does not say when it was made, nobody knows.
        if "sent_at" in command.model_fields_set:
            self._wait_seconds.observe(max(0.0, (now - command.sent_at).total_seconds()))
        delivery = Delivery(
            message_id=_message_id(command, properties.message_id),
            kind=command.kind,
            reply_to=properties.reply_to or None,
            correlation_id=properties.correlation_id,
            redelivered=bool(message.redelivered),
            received_at=now,
            traceparent=context_of(command, message),
            acknowledge=acknowledge,
        )
        structlog.contextvars.bind_contextvars(kind=command.kind, message_id=delivery.message_id)
        try:
            with processing(self._queue.name, delivery):
                await self._attempt(message, command, delivery, receipt, asker)
        finally:
            if early:
                self.acknowledged_early -= 1

    async def drop(self, message: DeliveredMessage, receipt: Receipt) -> None:
        """The end of what nobody waits for: no answer, and it does not come again."""
        kind = message.header.properties.message_type
        await self._finish(receipt, kind if kind in self._accepted else UNKNOWN_KIND, "cancelled")

    async def _attempt(
        self,
        message: DeliveredMessage,
        command: Message,
        delivery: Delivery,
        receipt: Receipt,
        asker: Asker,
    ) -> None:
        """Run the handler until its outcome is final, the message is lost, or we stop."""
        began = time.monotonic()
        for attempt in itertools.count():
            # Only the handler is interrupted: an answer or a dead letter on its way goes out.
            with asker:
                result = await self._run(command, delivery)
            outcome = "failed"
            if not isinstance(result, TallyportError):
                await self._answer(delivery.reply_to, delivery.correlation_id, result)
                if isinstance(result, Answer) and result.afterwards is not None:
                    await self._replies.sent()
                    result.afterwards()
                outcome = "handled"
                break
            fate = fate_of(result, answerable=delivery.reply_to is not None)
            if fate is Fate.ANSWER:
                await self._answer(delivery.reply_to, delivery.correlation_id, result)
                break
            if receipt.is_settled:
                # Acknowledged early: its safety is the handler's business, and so is its failure.
                log.warning(
                    "message.failed", code=result.code.value, reason=bounded(result.message)
                )
                break
            if fate is Fate.RETRY and time.monotonic() - began < RETRY_TOTAL_SECONDS:
                RETRIES.labels(self._queue.name, result.code.value).inc()
                log.info("message.retried", code=result.code.value, reason=bounded(result.message))
                if await self._pause(attempt, result.retry_after_seconds) and not receipt.is_lost:
                    continue
                return
            if not await self._put_away(message, result, command.kind, receipt):
                return
            outcome = "dead_lettered"
            break
        await self._finish(receipt, command.kind, outcome)

    async def _run(self, command: Message, delivery: Delivery) -> Answer | TallyportError | None:
        """The handler's reply, or its error as one of our tree."""
        try:
            reply = await self._handlers[type(command)](command, delivery)
            return None if reply is None else answer_of(reply)
        except TallyportError as error:
            return error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return _crashed(error)
        except Exception as error:  # noqa: BLE001 - unknown errors are loud inside, mute outside
            return _crashed(error)

    async def _answer(
        self,
        reply_to: str | None,
        correlation_id: str | None,
        result: Answer | TallyportError | None,
    ) -> None:
        if not reply_to or not may_be_answered(reply_to):
            return
        answer = failure_of(result) if isinstance(result, TallyportError) else result or Answer(b"")
        await self._replies.send(reply_to, correlation_id, answer)

    async def _put_away(
        self, message: DeliveredMessage, error: TallyportError, kind: str, receipt: Receipt
    ) -> bool:
        """Into the dead-letter exchange, however long that takes. False: the message goes back."""
        for attempt in itertools.count():
            try:
                await self._dead_letters.put(message, error, queue=self._queue, kind=kind)
            except UnavailableError as unavailable:
                log.warning("message.dead_lettering_failed", reason=unavailable.message)
                if receipt.is_lost or not await self._pause(attempt, None):
                    return False
            else:
                DEAD_LETTERED.labels(self._queue.name, error.code.value).inc()
                log.warning(
                    "message.dead_lettered",
                    queue=self._queue.name,
                    kind=kind,
                    code=error.code.value,
                    reason=bounded(error.message),
                )
                return True
        raise AssertionError  # pragma: no cover - the loop has no end

    async def _pause(self, attempt: int, at_least_seconds: float | None) -> bool:
        """Wait before another attempt. False when there is to be none, because we stop."""
        pause = full_jitter(attempt, base_seconds=RETRY_SECONDS_BASE, seconds_max=RETRY_SECONDS_MAX)
        try:
            asked = min(at_least_seconds or 0, RETRY_AFTER_SECONDS_MAX)
            async with asyncio.timeout(max(pause, asked)):
                await self._stopping.wait()
        except TimeoutError:
            return True
        return False

    async def _finish(self, receipt: Receipt, kind: str, outcome: str) -> None:
        await receipt.acknowledge()
        _handled(self._queue.name, kind, outcome).inc()


@lru_cache(maxsize=1_024)
def _handled(queue: str, kind: str, outcome: str) -> Counter:
    """Looking it up among all costs more than counting it."""
    return HANDLED.labels(queue, kind, outcome)


def _message_id(command: Message, property_id: str | None) -> str:
    """The body's own id; of a producer that writes none, the property's."""
    if "message_id" in command.model_fields_set:
        return str(command.message_id)
    return property_id or str(command.message_id)


def _crashed(error: BaseException) -> InternalError:
    log.error("handler.crashed", exc_info=error)
    return InternalError("something went wrong inside; it has been logged")
