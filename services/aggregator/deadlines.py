"""Every question has a deadline, and what it sets in motion ends with it.

Comes in: a deadline. Goes out: the seconds that are left, or `DeadlineExceededError`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import asyncpg

from services.aggregator.admission import Admission
from shared.errors import DeadlineExceededError, UnavailableError

T = TypeVar("T")


def seconds_left(deadline: datetime) -> float:
    """By this machine's clock. Raises when nobody waits any more."""
    seconds = (deadline - datetime.now(UTC)).total_seconds()
    if seconds <= 0:
        raise _too_late()
    return seconds


async def in_turn(deadline: datetime, admission: Admission, work: Callable[[], Awaitable[T]]) -> T:
    """Wait for a turn, do the work in it, both until the deadline at most. Not a context manager:
    of short answers, those that generators make are a good part of what they cost."""
    await admission.enter(seconds=seconds_left(deadline))
    try:
        async with asyncio.timeout(seconds_left(deadline)):
            return await work()
    except TimeoutError as error:
        # Whichever clock rang, ours or asyncpg's: it cancels the statement on the server.
        raise _too_late() from error
    except asyncpg.QueryCanceledError as error:
        if datetime.now(UTC) >= deadline:
            raise _too_late() from error
        raise UnavailableError("the query was cancelled", retry_after_seconds=1) from error
    finally:
        admission.leave()


def _too_late() -> DeadlineExceededError:
    return DeadlineExceededError("the deadline has passed")
