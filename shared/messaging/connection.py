"""The broker, seen from one process: one connection to publish on and one to consume on.

Comes in: `BrokerSettings`. Goes out: `Broker`, on which publishers, consumers and RPC clients keep
their channels, and which knows whether all of that is in place right now. Two connections,
because a memory or disk alarm of the broker stops every connection that publishes, and no other.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self

from shared.messaging.cancellation import end
from shared.messaging.kept_channel import KeptChannel, Prepare
from shared.messaging.kept_connection import KeptConnection
from shared.messaging.topology import TOPOLOGY, Topology
from shared.settings import BrokerSettings


class Broker:
    """Use `async with Broker.open(settings, "gateway") as broker`."""

    def __init__(self, settings: BrokerSettings, name: str, topology: Topology) -> None:
        self.name = name
        self.settings = settings
        self.numbers = itertools.count(1)
        self.publishing = KeptConnection(settings, f"{name} publish", topology)
        self.consuming = KeptConnection(settings, f"{name} consume", topology)
        self._tasks: dict[KeptConnection | KeptChannel, asyncio.Task[None]] = {}
        self._optional: set[KeptChannel] = set()
        self._expected: list[Callable[[], str | None]] = []
        self.confirmed = KeptChannel(self.publishing, "publish with confirms", confirms=True)
        self.unconfirmed = KeptChannel(self.publishing, "publish without confirms")

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: BrokerSettings,
        name: str,
        *,
        wait: bool = True,
        topology: Topology = TOPOLOGY,
    ) -> AsyncIterator[Self]:
        """Connect, and stay connected. With `wait` the body starts when both connections are up,
        however long that takes; without, at once (a gateway accepts reports with the broker down).
        """
        broker = cls(settings, name, topology)
        try:
            for kept in (broker.publishing, broker.consuming, broker.confirmed, broker.unconfirmed):
                broker._start(kept)
            if wait:
                await broker.consuming.wait_open()
                await broker.confirmed.wait_open()
                await broker.unconfirmed.wait_open()
            yield broker
        finally:
            for kept in reversed([*broker._tasks]):
                await broker._stop(kept)

    @property
    def is_ready(self) -> bool:
        return not self.problems()

    def problems(self) -> list[str]:
        """What is not in place right now, in words for an operator; empty when all is."""
        found = [*self.publishing.problems(), *self.consuming.problems()]
        for kept in self._tasks:
            # While a connection is down its channels have nothing to add.
            if isinstance(kept, KeptChannel) and kept.connection.current is not None:
                problem = kept.problem()
                if problem and kept not in self._optional:
                    found.append(problem)
        if self.consuming.current is not None:
            found += [problem for expected in self._expected if (problem := expected())]
        return list(dict.fromkeys(found))

    def expect(self, problem: Callable[[], str | None]) -> None:
        """Count in `problems` what this says, from before it is there until `expect_no_more`."""
        self._expected.append(problem)

    def expect_no_more(self, problem: Callable[[], str | None]) -> None:
        if problem in self._expected:
            self._expected.remove(problem)

    def keep_channel(self, name: str, *, prepare: Prepare, optional: bool = False) -> KeptChannel:
        """A channel on the consuming connection, counted in `problems` until `drop_channel`, unless
        it is for what may be missed."""
        kept = KeptChannel(self.consuming, name, prepare=prepare)
        if optional:
            self._optional.add(kept)
        self._start(kept)
        return kept

    def keep_optional_channel(self, name: str) -> KeptChannel:
        """A channel on the publishing connection for what may be lost: never a problem."""
        kept = KeptChannel(self.publishing, name)
        self._optional.add(kept)
        self._start(kept)
        return kept

    async def drop_channel(self, kept: KeptChannel) -> None:
        """Close the channel and stop keeping it."""
        await self._stop(kept)
        self._optional.discard(kept)

    def _start(self, kept: KeptConnection | KeptChannel) -> None:
        self._tasks[kept] = asyncio.create_task(kept.keep(), name=f"amqp {kept.name}")

    async def _stop(self, kept: KeptConnection | KeptChannel) -> None:
        task = self._tasks.pop(kept, None)
        if task is not None:
            await end(task)
