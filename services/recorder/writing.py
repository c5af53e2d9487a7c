"""Writing in a transaction, and again if the database asks for it.

Comes in: what to do with a connection. Goes out: its result, committed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
import structlog

from shared.database.pool import Connection, Database
from shared.database.queries import load_queries
from shared.errors import UnavailableError
from shared.failpoints import Step

T = TypeVar("T")

ATTEMPTS_MAX = 3
_SQL = load_queries(__file__)

_log = structlog.get_logger(__name__)


async def write(database: Database, store_id: int, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do `work` in a transaction that sees the rows of this store, and commit it.

    Locks are taken in the order of keys everywhere, so a deadlock is not expected; if PostgreSQL
    finds one all the same, nothing was done and the same work can be done again. Raises what
    `work` raises (rolled back), and `UnavailableError`.
    """
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            async with database.transaction(store_id=store_id, step=Step.RECORD) as connection:
                return await work(connection)
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
            _log.warning("recording.repeated", attempt=attempt, reason=str(error))
        except TimeoutError as error:
            raise UnavailableError(
                "the database did not finish in time", retry_after_seconds=2
            ) from error
    raise UnavailableError("too many writers at once", retry_after_seconds=1)


@asynccontextmanager
async def appending(connection: Connection) -> AsyncIterator[None]:
    """COPY into a store's tables, which nobody can for whom row security holds. The role that can
    may do nothing else, and cannot say whose the rows are: leave out `store_id`, and they are of
    the store that the transaction is for (docs/security.md). An error is the end of the
    transaction, and of the role."""
    await connection.execute(_SQL["become_appender"])
    yield
    await connection.execute(_SQL["be_oneself"])


@asynccontextmanager
async def planned_for_each_use(connection: Connection) -> AsyncIterator[None]:
    """The statements inside are planned for the data that they meet now. Keep inserts into tables
    with foreign keys out of it (see the file of queries)."""
    await connection.execute(_SQL["plan_each_use"])
    yield
    await connection.execute(_SQL["plan_once"])
