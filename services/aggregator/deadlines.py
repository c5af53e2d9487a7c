"""Every question has a deadline, and what it sets in motion ends with it.

Comes in: a deadline. Goes out: the seconds that are left, or `DeadlineExceededError`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg

from services.aggregator.admission import Admission
from shared.errors import DeadlineExceededError, UnavailableError


def seconds_left(deadline: datetime) -> float:
    """By this machine's clock. Raises when nobody waits any more."""
    seconds = (deadline - datetime.now(UTC)).total_seconds()
    if seconds <= 0:
        raise _too_late()
    return seconds


@asynccontextmanager
async def turn_until(deadline: datetime, admission: Admission) -> AsyncIterator[None]:
    """Wait for a turn and hold it, both until the deadline at most."""
    async with admission.turn(seconds=seconds_left(deadline)):
        try:
            async with asyncio.timeout(seconds_left(deadline)):
                yield
        except TimeoutError as error:
            # Whichever clock rang, ours or asyncpg's: it cancels the statement on the server.
            raise _too_late() from error
        except asyncpg.QueryCanceledError as error:
            if datetime.now(UTC) >= deadline:
                raise _too_late() from error
            raise UnavailableError("the query was cancelled", retry_after_seconds=1) from error


def _too_late() -> DeadlineExceededError:
    return DeadlineExceededError("the deadline has passed")
