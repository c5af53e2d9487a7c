"""How long to wait before trying again. In: which attempt it was. Out: seconds."""

from __future__ import annotations

import random

_DOUBLINGS_MAX = 30


def full_jitter(attempt: int, *, base_seconds: float, seconds_max: float) -> float:
    """Anything between nothing and base * 2^attempt, so that those who failed together do not
    come back together. `attempt` counts from 0."""
    ceiling = min(seconds_max, base_seconds * 2 ** min(attempt, _DOUBLINGS_MAX))
    return random.uniform(0, ceiling)  # noqa: S311 - spreading load, not guarding a secret
