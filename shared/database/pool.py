"""The pool: the only way to a database connection, and every wait on it has a limit.

Comes in: settings. Goes out: `Database`, with `acquire` and `transaction`. A database that does
not answer is `UnavailableError`, never a hang.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal, TypeAlias

import asyncpg
import orjson
import structlog
from asyncpg.pool import PoolConnectionProxy

from shared.errors import TallyportError, UnavailableError
from shared.settings import DatabaseSettings

# In quotes: the driver's classes are generic in its type stubs only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Isolation = Literal["read_committed", "repeatable_read"]

_log = structlog.get_logger(__name__)

# What a lost, restarting or full database raises, as opposed to a mistake in a statement.
CONNECTION_ERRORS: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)

# What a loop in the background lives through: it tries again when its time comes. A cancellation is
# none of these, even where a lost connection breaks the rollback that it causes (`_unavailable`).
PASSING_ERRORS: tuple[type[Exception], ...] = (
    TallyportError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)

_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    ConnectionError,
)


async def _prepare(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: orjson.dumps(value).decode(),
        decoder=orjson.loads,
    )


class Database:
    """A pool of connections to one database."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], settings: DatabaseSettings) -> None:
        self._pool = pool
        self._settings = settings

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: DatabaseSettings, *, name: str, pool_max: int | None = None
    ) -> AsyncIterator[Database]:
        """Connect, waiting for a database that is still starting (processes start in any
        order; the caller's own deadline ends the wait), and close at the end."""
        most = pool_max or settings.pool_max
        attempt = 0
        while True:
            try:
                pool = await asyncpg.create_pool(
                    settings.url.get_secret_value(),
                    min_size=min(settings.pool_min, most),
                    max_size=most,
                    timeout=settings.acquire_seconds,
                    command_timeout=settings.statement_seconds,
                    server_settings={"application_name": name, "timezone": "UTC"},
                    init=_prepare,
                )
                break
            except CONNECTION_ERRORS as error:
                attempt += 1
                _log.warning("database.waiting", attempt=attempt, reason=str(error))
                await asyncio.sleep(random.uniform(0.1, min(5.0, 0.2 * 2**attempt)))  # noqa: S311
        try:
            yield cls(pool, settings)
        finally:
            try:
                await asyncio.wait_for(pool.close(), timeout=settings.acquire_seconds)
            except TimeoutError:
                pool.terminate()

    @property
    def size(self) -> tuple[int, int]:
        """(connections open, connections idle)."""
        return self._pool.get_size(), self._pool.get_idle_size()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection from the pool. Raises `UnavailableError` when none is to be had in time
        or it is lost on the way."""
        try:
            connection = await self._pool.acquire(timeout=self._settings.acquire_seconds)
        except CONNECTION_ERRORS as error:
            raise UnavailableError("the database does not answer", retry_after_seconds=2) from error
        try:
            yield connection
        except (TimeoutError, asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError) as error:
            raise _unavailable("the database took too long") from error
        except _LOST as error:
            raise _unavailable("the database went away") from error
        except asyncpg.InternalClientError as error:
            # The farewell of a killed backend, read in between two statements, puts the driver
            # out of step: the connection is of no use any more.
            _terminate(connection)
            raise _unavailable("the database went away") from error
        except asyncpg.InterfaceError as error:
            if not _is_lost(connection):
                raise  # a mistake of ours
            raise _unavailable("the database went away") from error
        finally:
            await self._release(connection)

    async def _release(self, connection: PoolConnectionProxy[asyncpg.Record]) -> None:
        try:
            await self._pool.release(connection, timeout=self._settings.acquire_seconds)
        except CONNECTION_ERRORS:
            # It is broken, and the pool has dropped it: the caller's own error tells why.
            _log.debug("database.connection_dropped")

    @asynccontextmanager
    async def transaction(
        self, *, isolation: Isolation = "read_committed", readonly: bool = False
    ) -> AsyncIterator[Connection]:
        """A connection in a transaction: committed at the end, rolled back on an exception."""
        async with (
            self.acquire() as connection,
            connection.transaction(isolation=isolation, readonly=readonly),
        ):
            yield connection

    async def problem(self) -> str | None:
        """None, or why the database cannot be used now (for `/readyz`)."""
        try:
            async with self.acquire() as connection:
                await connection.execute("SELECT 1", timeout=2)
        except (UnavailableError, TimeoutError, asyncpg.PostgresError) as error:
            return str(error) or type(error).__name__
        return None


def _unavailable(message: str) -> BaseException:
    """The error of a lost connection. A rollback that fails on one hides the cancellation that it
    came from: then this is the cancellation, or loops that wait for it would never end."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        return asyncio.CancelledError()
    return UnavailableError(message, retry_after_seconds=2)


def _is_lost(connection: PoolConnectionProxy[asyncpg.Record]) -> bool:
    """Whether the connection is gone. One that the pool took back because it broke says so by
    refusing the question."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


def _terminate(connection: PoolConnectionProxy[asyncpg.Record]) -> None:
    with suppress(asyncpg.InterfaceError):
        connection.terminate()
