"""Taking messages from one queue and giving them to handlers.

Comes in: deliveries. Goes out: whatever the handler does, then its reply, then the acknowledgement,
in this order. Handlers run in tasks of our own: a lost connection does not cancel work in hand; it
only means that the message is delivered again, and that this acknowledgement is not sent.

A question whose asker has hung up ends where it is, and is acknowledged without an answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog
from aiormq import Channel
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from shared.contracts.message import Message
from shared.contracts.routes import Queue, QueueType
from shared.errors import UnavailableError
from shared.messaging.askers import Asker, AskerLeft, Askers
from shared.messaging.cancellation import stray_cancellation_is
from shared.messaging.connection import Broker
from shared.messaging.declaration import declare_queue
from shared.messaging.delivery import Handler, Receipt, SharedReceipt, Whole
from shared.messaging.frames import consume, stop_consuming
from shared.messaging.handling import Handling
from shared.messaging.hang_ups import HangUpQueue
from shared.messaging.intake import split
from shared.messaging.kept_channel import KeptChannel
from shared.messaging.metrics import HANDLING_SECONDS, IN_HAND, REGISTERED
from shared.messaging.topology import work_queue

CANCEL_SECONDS = 5.0
# Before a message that we could not even fail properly goes back to its queue.
STUCK_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Consumer:
    """`start()` registers and keeps registered; `stop()` ends gracefully.

    `concurrency` bounds the handlers that run at once (None: as many as the queue's prefetch).
    When that many have acknowledged early, so that prefetch no longer holds the broker back, the
    consumer is taken off the queue until one is done: what we cannot start, another worker can.
    """

    def __init__(
        self,
        broker: Broker,
        queue: Queue,
        handlers: Mapping[type[Message], Handler],
        *,
        concurrency: int | None = None,
    ) -> None:
        self.queue = queue
        self._broker = broker
        self._handling = Handling(broker, queue, handlers, before_early_ack=self._adjust)
        self._concurrency = concurrency or queue.prefetch
        self._slots = asyncio.Semaphore(self._concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[Any] | None] = set()
        self._askers = Askers()
        self._hang_ups = (
            HangUpQueue(broker, self._askers.left) if queue.type is QueueType.CLASSIC else None
        )
        self._seconds = HANDLING_SECONDS.labels(queue.name)
        IN_HAND.labels(queue.name).set_function(lambda: len(self._tasks))
        self._kept: KeptChannel | None = None
        self._channel: Channel | None = None
        self._tag: str | None = None
        self._registration = asyncio.Lock()
        broker.expect(self.problem)
        REGISTERED.labels(queue.name).set_function(lambda: self.problem() is None)

    def problem(self) -> str | None:
        """None, or that nothing is taken from the queue. That there is no room is no problem."""
        if self._tag is None and self._is_wanted():
            return f"consumer of {self.queue.name}: not registered"
        return None

    async def start(self) -> None:
        """Register; waits for it up to the settings' connect_seconds, then goes on trying in the
        background (`Broker.problems` tells)."""
        if self._hang_ups is not None:
            self._hang_ups.start()
        self._kept = self._broker.keep_channel(
            f"consumer of {self.queue.name}", prepare=self._prepare
        )
        self._kept.on_lost.add(self._forget)
        await self._kept.wait_open_for(self._broker.settings.connect_seconds)
        if self._hang_ups is not None:
            await self._hang_ups.wait_open()

    async def stop(self, drain_seconds: float) -> None:
        """Take no more, finish what is in hand within the deadline, give the rest back."""
        self._broker.expect_no_more(self.problem)
        self._handling.stop()
        await self._adjust()
        for waiting in self._waiting:
            if waiting is not None:
                waiting.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=drain_seconds)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCEL_SECONDS)
        if self._hang_ups is not None:
            await self._hang_ups.stop()
        if self._kept is not None:
            await self._broker.drop_channel(self._kept)

    async def _prepare(self, channel: Channel) -> None:
        # Another channel declares: a refusal costs it.
        problem = await declare_queue(channel.connection, work_queue(self.queue))
        if problem:
            raise UnavailableError(problem)
        await channel.basic_qos(prefetch_count=self.queue.prefetch)
        channel.on_consumer_cancel_callbacks.add(self._cancelled_by_broker)
        self._channel, self._tag = channel, None
        await self._adjust()

    def _forget(self) -> None:
        self._channel, self._tag = None, None

    def _cancelled_by_broker(self, _frame: Basic.Cancel) -> None:
        if self._kept is not None:
            self._kept.renew("the broker cancelled the consumer: its queue was deleted, or failed")

    def _is_wanted(self) -> bool:
        """Whether there is room for more."""
        full = self._handling.acknowledged_early >= self._concurrency
        return not full and not self._handling.is_stopping

    async def _adjust(self) -> None:
        """Be registered exactly when there is room for more."""
        async with self._registration:
            channel, wanted = self._channel, self._is_wanted()
            if channel is None or channel.is_closed or wanted == (self._tag is not None):
                return
            try:
                with stray_cancellation_is("the connection was lost"):
                    async with asyncio.timeout(CANCEL_SECONDS):
                        if wanted:
                            await self._register(channel)
                        else:
                            await self._unregister(channel)
            except Exception as error:  # noqa: BLE001 - a fresh channel is the cure for all of them
                if self._kept is not None:
                    self._kept.renew(f"registering at {self.queue.name} failed: {error!r}")

    async def _register(self, channel: Channel) -> None:
        self._tag = await consume(channel, self.queue.name, self._deliver, sender=self._broker.name)

    async def _unregister(self, channel: Channel) -> None:
        if self._tag is not None:
            tag, self._tag = self._tag, None
            await stop_consuming(channel, tag)

    def _deliver(self, message: DeliveredMessage) -> None:
        parts = split(message, self.queue)
        if not parts:
            self._begin(message, Receipt(message))
            return
        whole = Whole(message, len(parts))
        for part in parts:
            self._begin(part, SharedReceipt(part, whole))

    def _begin(self, message: DeliveredMessage, receipt: Receipt) -> None:
        asker = self._askers.arrived(message)
        task = asyncio.create_task(self._work(message, receipt, asker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._askers.done(message, asker))

    async def _work(self, message: DeliveredMessage, receipt: Receipt, asker: Asker) -> None:
        task = asyncio.current_task()
        began = time.monotonic()
        try:
            self._waiting.add(task)
            with asker:
                await self._slots.acquire()
            try:
                self._waiting.discard(task)
                if not self._handling.is_stopping:
                    await self._handling.handle(message, receipt, asker)
            finally:
                self._slots.release()
        except AskerLeft:
            await self._handling.drop(message, receipt)
        except Exception as error:  # a mistake of ours must not become a hot loop
            log.critical("message.stuck", queue=self.queue.name, exc_info=error)
            await asyncio.sleep(STUCK_SECONDS)
        finally:
            self._waiting.discard(task)
            # Whatever was neither finished nor put away goes back; what is settled stays settled.
            await receipt.give_back()
            self._seconds.observe(time.monotonic() - began)
        if self._registration.locked() or self._is_wanted() != (self._tag is not None):
            await self._adjust()
