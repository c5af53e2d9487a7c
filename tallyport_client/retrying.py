"""How long to wait before trying again, and when not to.

Comes in: the number of the attempt, what the service asked for, the time left. Goes out: seconds.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

PAUSE_SECONDS_MIN = 0.1
PAUSE_SECONDS_MAX = 10.0
# So that those who were told the same do not come back in the same moment.
SPREAD = 0.1


def pause_seconds(attempt: int, retry_after: float | None) -> float:
    """Before attempt `attempt` + 1: never earlier than the service asked for; doubling and
    jittered where it asked for nothing."""
    if retry_after is not None:
        return retry_after + random.uniform(0, SPREAD * max(retry_after, 1.0))  # noqa: S311
    ceiling = min(PAUSE_SECONDS_MIN * 2 ** (attempt - 1), PAUSE_SECONDS_MAX)
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the loop's clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(asyncio.get_running_loop().time() + seconds)

    def left(self) -> float:
        return self.at - asyncio.get_running_loop().time()

    async def sleeps(self, seconds: float) -> bool:
        """Sleep, and True; at once False when the deadline would be gone by then."""
        if seconds >= self.left():
            return False
        await asyncio.sleep(seconds)
        return True
