"""Telling a cancellation of ours from one that the AMQP library made up.

aiormq rejects what waits on a lost connection with CancelledError. Taken for a real one it would
end a task that nobody wanted to end, silently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import UnavailableError


@contextmanager
def stray_cancellation_is(message: str) -> Iterator[None]:
    """Within it, a CancelledError that nobody asked this task for becomes UnavailableError."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    except asyncio.CancelledError:
        if task is None or task.cancelling() > before:
            raise
        raise UnavailableError(message) from None
