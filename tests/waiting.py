"""Waiting for a condition, with a deadline. Tests never sleep and hope."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PAUSE_SECONDS = 0.02


async def until(condition: Callable[[], Awaitable[T]], *, seconds: float, what: str) -> T:
    """Ask until the answer is true, and return it. Fails by naming what did not come."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}, in vain")
        await asyncio.sleep(PAUSE_SECONDS)
