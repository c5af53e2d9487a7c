"""How many questions are worked on at once, and how many may wait for that.

Comes in: a question's deadline. Goes out: its turn, or `OverloadedError`: a refusal that comes at
once is worth more to a caller than an answer that comes too late.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.aggregator.settings import AggregatorSettings
from shared.errors import OverloadedError


class Admission:
    """`questions_max` run, `waiting_max` wait in the order they came, the rest are refused."""

    def __init__(self, *, questions_max: int, waiting_max: int, retry_after_seconds: float) -> None:
        self._turns = asyncio.Semaphore(questions_max)
        self._waiting_max = waiting_max
        self._retry_after_seconds = retry_after_seconds
        self.waiting = 0

    @classmethod
    def of(cls, settings: AggregatorSettings) -> Admission:
        """As the settings say."""
        return cls(
            questions_max=settings.questions_max,
            waiting_max=settings.waiting_max,
            retry_after_seconds=settings.retry_after_seconds,
        )

    @asynccontextmanager
    async def turn(self, *, seconds: float) -> AsyncIterator[None]:
        """Hold one of the turns. Waits for it up to `seconds`: what is left of the deadline."""
        await self.enter(seconds=seconds)
        try:
            yield
        finally:
            self.leave()

    async def enter(self, *, seconds: float) -> None:
        """Take a turn, to be left in any case."""
        if self._turns.locked():
            await self._wait(seconds)
        else:
            await self._turns.acquire()

    def leave(self) -> None:
        """Give the turn to the next."""
        self._turns.release()

    async def _wait(self, seconds: float) -> None:
        if self.waiting >= self._waiting_max:
            raise self._overloaded()
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise self._overloaded() from None
        finally:
            self.waiting -= 1

    def _overloaded(self) -> OverloadedError:
        return OverloadedError(
            "too many questions at once", retry_after_seconds=self._retry_after_seconds
        )
