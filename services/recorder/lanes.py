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
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared import tracing
from shared.errors import UnavailableError
from shared.tracing import Span

K = TypeVar("K", bound=Hashable)
B = TypeVar("B")
R = TypeVar("R")
Write = Callable[[K, Sequence[B]], Awaitable[Sequence[R | Exception]]]


@dataclass(frozen=True, slots=True)
class _Put(Generic[B, R]):
    """A batch that waits, and the trace that it is a part of."""

    batch: B
    future: asyncio.Future[R]
    trace: str | None


def _writing(traces: Sequence[str | None]) -> Span:
    """A group is written in the trace of its first batch that has one; the others are linked to it.
    Not in whichever the writer was started in."""
    several = [trace for trace in traces if trace is not None]
    if not several:
        return tracing.NOTHING
    return tracing.within(
        "record.group", tracing.Kind.INTERNAL, several[0], links=tuple(several[1:])
    )


class Lanes(Generic[K, B, R]):
    """`write(key, batches)` gives an outcome for each batch, in their order; what it raises is the
    outcome of all. A group takes at least one batch, and further ones up to `size_max`."""

    def __init__(self, write: Write[K, B, R], *, size: Callable[[B], int], size_max: int) -> None:
        self._write = write
        self._size = size
        self._size_max = size_max
        self._waiting: dict[K, deque[_Put[B, R]]] = {}
        self._writers: dict[K, asyncio.Task[None]] = {}

    async def put(self, key: K, batch: B) -> R:
        """Have the batch written. Cancelled while it waits, it is not written; cancelled later,
        it may be."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        put = _Put(batch, future, tracing.traceparent())
        self._waiting.setdefault(key, deque()).append(put)
        if key not in self._writers:
            self._writers[key] = asyncio.create_task(
                self._drain(key), name=f"lane {key}", context=tracing.apart()
            )
        return await future

    async def close(self) -> None:
        """Give up what is still being written; the transaction is rolled back."""
        writers = list(self._writers.values())
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)

    def _next_group(self, key: K) -> list[_Put[B, R]]:
        group: list[_Put[B, R]] = []
        waiting = self._waiting[key]
        size = 0
        while waiting:
            first = waiting[0]
            size += self._size(first.batch)
            if group and size > self._size_max:
                break
            waiting.popleft()
            if first.future.done():  # cancelled by whoever waited for it
                size -= self._size(first.batch)
                continue
            group.append(first)
        return group

    async def _drain(self, key: K) -> None:
        group: list[_Put[B, R]] = []
        try:
            while group := self._next_group(key):
                with _writing([put.trace for put in group]):
                    outcomes = await self._outcomes(key, [put.batch for put in group])
                for put, outcome in zip(group, outcomes, strict=True):
                    if put.future.done():
                        continue
                    if isinstance(outcome, Exception):
                        put.future.set_exception(outcome)
                    else:
                        put.future.set_result(outcome)
        finally:
            # Nothing is left but when the writer itself was stopped.
            left = [*group, *self._waiting.pop(key)]
            del self._writers[key]
            for put in left:
                if not put.future.done():
                    put.future.set_exception(UnavailableError("the recorder is stopping"))

    async def _outcomes(self, key: K, batches: Sequence[B]) -> Sequence[R | Exception]:
        try:
            return await self._write(key, batches)
        except Exception as error:  # noqa: BLE001 - it is raised again where the batch came from
            return [error] * len(batches)
