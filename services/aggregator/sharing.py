"""Identical questions at the same time get one answer, and never an old one.

Comes in: a key and how to find its answer. Goes out: the answer. Who comes while the same question
is being answered does not get that answer, for it may have been read before something that the
asker was already told is written: all who come meanwhile get the next one together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


@dataclass(eq=False)
class _Flight(Generic[R]):
    """One finding of an answer, and how many wait for it."""

    task: asyncio.Task[R]
    waiting: int = 0


class Sharing(Generic[K, R]):
    """`share(key, find)` from any number of tasks."""

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[R]] = {}
        self._boarding: dict[K, _Flight[R]] = {}

    async def share(self, key: K, find: Callable[[], Awaitable[R]]) -> R:
        """The answer, found after this call began. Raises what `find` raises; that of whoever came
        first is called for all. When all who wait are cancelled, so is the finding."""
        flight = self._boarding.get(key)
        if flight is None:
            flight = _Flight(asyncio.ensure_future(self._fly(key, find)))
            self._boarding[key] = flight
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()
                if self._boarding.get(key) is flight:
                    del self._boarding[key]
            raise

    async def _fly(self, key: K, find: Callable[[], Awaitable[R]]) -> R:
        while before := self._running.get(key):
            await asyncio.wait({before})
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        # From here on what is read may be older than a question that comes.
        del self._boarding[key]
        self._running[key] = task
        try:
            return await find()
        finally:
            del self._running[key]
