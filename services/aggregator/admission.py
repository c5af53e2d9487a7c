"""How many questions are worked on at once, and how many may wait for that.

Comes in: a question's deadline. Goes out: its turn, or `OverloadedError`: a refusal that comes at
once is worth more to a caller than an answer that comes too late.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.aggregator.settings import AggregatorSettings
from shared.errors import OverloadedError

# Of the newest in the average: some ten turns make up for all before them.
PACE_WEIGHT = 0.2
# Of the time that is left: the rest is for the work itself, and for a pace that slows down.
WAIT_SHARE = 0.5


class Admission:
    """`questions_max` run, `waiting_max` wait in the order they came, the rest are refused; and so
    is who would wait past its deadline, as things go: at once, not when it is over."""

    def __init__(
        self,
        *,
        questions_max: int,
        waiting_max: int,
        retry_after_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turns = asyncio.Semaphore(questions_max)
        self._waiting_max = waiting_max
        self._retry_after_seconds = retry_after_seconds
        self._pace = _Pace(clock)
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
        if self.waiting:
            self._pace.turn_ended()
        else:
            self._pace.nobody_waits()
        self._turns.release()

    async def _wait(self, seconds: float) -> None:
        expected = self._pace.seconds_until(self.waiting)
        if self.waiting >= self._waiting_max or expected > WAIT_SHARE * seconds:
            raise self._overloaded()
        self.waiting += 1
        self._pace.somebody_waits()
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


class _Pace:
    """How soon a turn ends after the one before, while others wait for it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._last: float | None = None

    def somebody_waits(self) -> None:
        """From now on the next end tells something."""
        if self._last is None:
            self._last = self._clock()

    def turn_ended(self) -> None:
        now = self._clock()
        if self._last is not None:
            seconds = now - self._last
            # The first one is all that is known: counted from nothing, it would promise too much.
            weight = PACE_WEIGHT if self._seconds else 1.0
            self._seconds += weight * (seconds - self._seconds)
        self._last = now

    def nobody_waits(self) -> None:
        """The time until the next end says nothing then, and what was measured counts for less:
        questions of another kind may come."""
        self._seconds /= 2
        self._last = None

    def seconds_until(self, waiting: int) -> float:
        """How long one waits who comes behind so many. 0 when it is not known yet."""
        return (waiting + 1) * self._seconds
