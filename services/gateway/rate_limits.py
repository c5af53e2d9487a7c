"""How many requests a token may make: so many a second, and so many at once before that counts.

Comes in: a token's id. Goes out: None, or after how many seconds there is room for one more. Each
process counts for itself, in memory: with four gateways a token gets up to four times as much.
What it costs is a look into a dictionary; what it holds is one number for each token that was seen
in the last seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

TOKENS_MAX = 10_000


class RateLimits:
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
        self._clock = clock
        self._full_at: dict[int, float] = {}

    def wait_seconds(self, token_id: int) -> float | None:
        """Count a request, unless it is one too many: that one does not count."""
        if not self._gap_seconds:
            return None
        now = self._clock()
        full_at = max(self._full_at.get(token_id, now), now) + self._gap_seconds
        excess = full_at - now - self._filling_seconds
        # Sums of fractions of a second are not exact.
        if excess > self._gap_seconds * 1e-6:
            return excess
        if token_id not in self._full_at and len(self._full_at) >= TOKENS_MAX:
            self._forget(now)
        self._full_at[token_id] = full_at
        return None

    def _forget(self, now: float) -> None:
        """Those that are full, as if they had never been used; all, if there is none."""
        used = {token_id: at for token_id, at in self._full_at.items() if at > now}
        self._full_at = used if len(used) <= TOKENS_MAX // 2 else {}
