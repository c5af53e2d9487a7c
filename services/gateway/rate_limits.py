"""How many requests somebody may make: so many a second, and so many at once before that counts.

Comes in: who it is (a token's id, an address). Goes out: whether there is room for one more, and
how much is left. Each process counts for itself, in memory: with four gateways a token gets up to
four times as much. What it costs is a look into a dictionary; what it holds is one number for each
that was seen in the last seconds, of `KEYS_MAX` at most.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

KEYS_MAX = 10_000
# Sums of fractions of a second are not exact.
_TOLERANCE = 1e-6

Key = TypeVar("Key", bound=Hashable)


class Allowance(NamedTuple):
    """What there is after a request. `wait_seconds` is None, or it was one too many and there is
    room for one after so long; `left` could follow at once; `full_seconds` until all are there."""

    wait_seconds: float | None
    left: int
    full_seconds: float


class RateLimits(Generic[Key]):
    """A token bucket each, told by when it will be full again."""

    def __init__(
        self,
        *,
        per_second: float,
        at_once: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """No limit with `per_second` 0."""
        self._gap_seconds = 1.0 / per_second if per_second else 0.0
        self._filling_seconds = at_once * self._gap_seconds
        # As the draft writes it (`access.tell_allowance`).
        window = max(1, math.ceil(self._filling_seconds))
        self.policy = f'"token";q={at_once};w={window}'
        self._clock = clock
        self._full_at: dict[Key, float] = {}

    def take(self, key: Key) -> Allowance | None:
        """Count a request, unless it is one too many: that one does not count. None: no limit."""
        if not self._gap_seconds:
            return None
        now = self._clock()
        before = max(self._full_at.get(key, now), now)
        wait = self._wait_seconds(before, now)
        if wait is not None:
            return Allowance(wait, 0, before - now)
        if key not in self._full_at and len(self._full_at) >= KEYS_MAX:
            self._forget(now)
        self._full_at[key] = full_at = before + self._gap_seconds
        left = (self._filling_seconds - (full_at - now)) / self._gap_seconds
        return Allowance(None, math.floor(left + _TOLERANCE), full_at - now)

    def wait_seconds(self, key: Key) -> float | None:
        """None, or after how long there is room for one more. Counts nothing."""
        if not self._gap_seconds:
            return None
        now = self._clock()
        return self._wait_seconds(max(self._full_at.get(key, now), now), now)

    def _wait_seconds(self, full_at: float, now: float) -> float | None:
        excess = full_at + self._gap_seconds - now - self._filling_seconds
        return excess if excess > self._gap_seconds * _TOLERANCE else None

    def _forget(self, now: float) -> None:
        """Those that are full, as if they had never been used; all, if there is none."""
        used = {key: at for key, at in self._full_at.items() if at > now}
        self._full_at = used if len(used) <= KEYS_MAX // 2 else {}
