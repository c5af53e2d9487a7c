"""Group commit: what waits for the same register is written together.

Comes in: batches with a key, from any number of tasks. Goes out: each batch's own outcome, when
the writing that it was part of is over. There is one writer a key and no timer: a batch that
comes alone is written at once, and those that come meanwhile are the next group. Keys do not wait
for one another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from shared.errors import UnavailableError

K = TypeVar("K", bound=Hashable)
B = TypeVar("B")
R = TypeVar("R")
Write = Callable[[K, Sequence[B]], Awaitable[Sequence[R | Exception]]]


class Lanes(Generic[K, B, R]):
    """`write(key, batches)` gives an outcome for each batch, in their order; what it raises is the
    outcome of all. A group takes at least one batch, and further ones up to `size_max`."""

    def __init__(self, write: Write[K, B, R], *, size: Callable[[B], int], size_max: int) -> None:
        self._write = write
        self._size = size
        self._size_max = size_max
        self._waiting: dict[K, deque[tuple[B, asyncio.Future[R]]]] = {}
        self._writers: dict[K, asyncio.Task[None]] = {}

    async def put(self, key: K, batch: B) -> R:
        """Have the batch written. Cancelled while it waits, it is not written; cancelled later,
        it may be."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append((batch, future))
        if key not in self._writers:
            self._writers[key] = asyncio.create_task(self._drain(key), name=f"lane {key}")
        return await future

    async def close(self) -> None:
        """Give up what is still being written; the transaction is rolled back."""
        writers = list(self._writers.values())
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)

    def _next_group(self, key: K) -> list[tuple[B, asyncio.Future[R]]]:
        group: list[tuple[B, asyncio.Future[R]]] = []
        waiting = self._waiting[key]
        size = 0
        while waiting:
            batch, future = waiting[0]
            size += self._size(batch)
            if group and size > self._size_max:
                break
            waiting.popleft()
            if future.done():  # cancelled by whoever waited for it
                size -= self._size(batch)
                continue
            group.append((batch, future))
        return group

    async def _drain(self, key: K) -> None:
        group: list[tuple[B, asyncio.Future[R]]] = []
        try:
            while group := self._next_group(key):
                outcomes = await self._outcomes(key, [batch for batch, _ in group])
                for (_, future), outcome in zip(group, outcomes, strict=True):
                    if future.done():
                        continue
                    if isinstance(outcome, Exception):
                        future.set_exception(outcome)
                    else:
                        future.set_result(outcome)
        finally:
            # Nothing is left but when the writer itself was stopped.
            left = [*group, *self._waiting.pop(key)]
            del self._writers[key]
            for _, future in left:
                if not future.done():
                    future.set_exception(UnavailableError("the recorder is stopping"))

    async def _outcomes(self, key: K, batches: Sequence[B]) -> Sequence[R | Exception]:
        try:
            return await self._write(key, batches)
        except Exception as error:  # noqa: BLE001 - it is raised again where the batch came from
            return [error] * len(batches)
