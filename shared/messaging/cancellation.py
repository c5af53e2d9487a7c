"""Telling a cancellation of ours from one that the AMQP library made up, and not losing ours.

aiormq rejects what waits on a lost connection with CancelledError. Taken for a real one it would
end a task that nobody wanted to end, silently. And where a task is really cancelled while the
connection is being lost, aiormq raises its own error instead: the task would go on for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from shared.errors import UnavailableError

CANCEL_AGAIN_SECONDS = 1.0


@contextmanager
def stray_cancellation_is(message: str) -> Iterator[None]:
    """Within it, a CancelledError that nobody asked this task for becomes UnavailableError, and an
    error that took the place of one that somebody did ask for becomes CancelledError."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    except asyncio.CancelledError:
        if task is None or task.cancelling() > before:
            raise
        raise UnavailableError(message) from None
    except Exception as error:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel the task, and again until it is done: what it was waiting for may have swallowed
    one."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)


async def tidy_up(work: Coroutine[Any, Any, object], *, seconds: float) -> None:
    """Do what may fail, and may not end either: after that time it is left to itself.

    In a task of its own, because a library that swallows a cancellation swallows a time-out too.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
