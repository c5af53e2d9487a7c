"""Noticing that nobody takes questions from a queue.

In: the queues on which answers are awaited. Out: `fail`, called with the reason when no answer can
come. The queue is durable, so it takes questions whether or not an aggregator runs, and `mandatory`
sees nothing. While answers are awaited, and only then, a passive declare each second tells how many
consumers there are. Most answers come before the first look, which would be most of their work.

A consumer that is shutting down has left the queue but still answers what it has in hand. So only a
question that lies in the queue with no consumer is taken for lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiormq.exceptions import AMQPError, ChannelNotFoundEntity

from shared.contracts.routes import Queue
from shared.errors import OverloadedError, TallyportError, UnavailableError
from shared.messaging.cancellation import stray_cancellation_is
from shared.messaging.connection import Broker
from shared.messaging.declaration import scratch_channel

CHECK_SECONDS = 1.0
# Before the first look.
GRACE_SECONDS = 0.02
# Between seeing no consumer and seeing whether something lies in the queue.
RECHECK_SECONDS = 0.1


class Presence:
    """`expect` a queue with each question; `is_awaited` says whether anybody still waits."""

    def __init__(
        self,
        broker: Broker,
        *,
        is_awaited: Callable[[Queue], bool],
        fail: Callable[[Queue, TallyportError], None],
    ) -> None:
        self._broker = broker
        self._is_awaited = is_awaited
        self._fail = fail
        self._watches: dict[Queue, asyncio.Task[None]] = {}

    def expect(self, queue: Queue) -> None:
        """Watch the queue until nobody waits for an answer from it any more."""
        if queue not in self._watches:
            watch = asyncio.create_task(self._watch(queue), name=f"consumers of {queue.name}")
            self._watches[queue] = watch
            watch.add_done_callback(lambda _: self._watches.pop(queue, None))

    async def stop(self) -> None:
        watches = [*self._watches.values()]
        for watch in watches:
            watch.cancel()
        if watches:
            await asyncio.wait(watches)

    async def _watch(self, queue: Queue) -> None:
        await asyncio.sleep(GRACE_SECONDS)
        while self._is_awaited(queue):
            pause = CHECK_SECONDS
            with (
                suppress(TimeoutError, AMQPError, OSError, RuntimeError, UnavailableError),
                stray_cancellation_is("the connection was lost"),
            ):
                async with asyncio.timeout(CHECK_SECONDS):
                    pause = await self._check(queue)
            await asyncio.sleep(pause)

    async def _check(self, queue: Queue) -> float:
        """Fail the askers if no answer can come; how long to wait until the next look."""
        if await self._broker.publishing.is_blocked():
            self._fail(
                queue,
                UnavailableError("the broker takes no questions: its memory or disk alarm is on"),
            )
            return CHECK_SECONDS
        connection = self._broker.consuming.current
        if connection is None:
            return CHECK_SECONDS
        try:
            async with scratch_channel(connection) as channel:
                found = await channel.queue_declare(queue.name, passive=True)
        except ChannelNotFoundEntity:
            self._fail(queue, UnavailableError(f"the queue {queue.name} does not exist"))
            return CHECK_SECONDS
        if found.consumer_count:
            if queue.length_max and (found.message_count or 0) >= queue.length_max:
                self._fail(queue, OverloadedError(f"{queue.name} is full", retry_after_seconds=1))
            return CHECK_SECONDS
        if found.message_count:
            self._fail(queue, UnavailableError(f"no {queue.owner.value} is running"))
        return RECHECK_SECONDS
