"""The pool: the only way to a database connection, and every wait on it has a limit.

Comes in: settings. Goes out: `Database`, with `acquire` and `transaction`. A database that does
not answer is `UnavailableError`, never a hang.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import asyncpg
import orjson
import structlog
from asyncpg.pool import PoolConnectionProxy
from prometheus_client import Counter, Gauge, Histogram

from shared import failpoints, tracing
from shared.database.queries import load_queries
from shared.database.spans import TracedStatements, about
from shared.errors import TallyportError, UnavailableError
from shared.failpoints import Step
from shared.settings import DatabaseSettings

# In quotes: the driver's classes are generic in its type stubs only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Isolation = Literal["read_committed", "repeatable_read"]

CONNECTIONS = Gauge(
    "tallyport_database_connections", "Connections of a pool that are open.", ("pool", "state")
)
CONNECTIONS_MAX = Gauge(
    "tallyport_database_connections_max", "As many as a pool may have.", ("pool",)
)
WAITING = Gauge(
    "tallyport_database_waiting", "Those who wait for one of a pool's connections.", ("pool",)
)
ACQUIRE_SECONDS = Histogram(
    "tallyport_database_acquire_seconds",
    "How long the pool took to give a connection to those for whom none was at hand.",
    ("pool",),
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10),
)
UNAVAILABLE = Counter(
    "tallyport_database_unavailable_total", "Connections that were not to be had.", ("pool",)
)

_log = structlog.get_logger(__name__)
_SQL = load_queries(__file__)
# A limit that is so much longer than asked for is not set anew: that takes a round trip.
LIMIT_SLACK_SECONDS = 5.0
# Whoever says a deadline may say any; PostgreSQL takes none beyond 24 days.
LIMIT_SECONDS_MAX = 86_400.0
# For work that spans stores. The database lets a few roles do so, in a few tables
# (docs/security.md).
EVERY_STORE = -1

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
    asyncpg.IdleInTransactionSessionTimeoutError,
    ConnectionError,
)


_UNKNOWN_STORE = 0


if TYPE_CHECKING:
    _Plain = asyncpg.Connection[asyncpg.Record]
else:
    _Plain = asyncpg.Connection


class _Session(_Plain):
    """A connection that is given back without a round trip: nobody leaves anything behind in one
    but temporary tables, which are meant to stay, and what `serve` has set, which is set anew for
    whoever needs it otherwise. An open transaction is ended all the same."""

    __slots__ = ("_is_planned_once", "_seconds_max", "_store_id")

    def get_reset_query(self) -> str:
        return ""

    async def serve(self, store_id: int | None, *, seconds_max: float | None) -> None:
        """See the rows of this store from now on; and let the server end each statement, in case we
        cannot: after so many seconds, or a few more if that is what it was told before."""
        if seconds_max is not None:
            seconds_max = min(seconds_max, LIMIT_SECONDS_MAX)
            known: float | None = getattr(self, "_seconds_max", None)
            if known is None or not seconds_max <= known <= seconds_max + LIMIT_SLACK_SECONDS:
                limit = math.ceil(seconds_max)
                await self.execute(
                    _SQL["limit_statements"], str(limit * 1_000), timeout=seconds_max
                )
                self._seconds_max = limit
        # It sees none at first.
        if store_id != getattr(self, "_store_id", None):
            # Should this fail, nobody knows what holds: no store has this number.
            self._store_id: int | None = _UNKNOWN_STORE
            named = "" if store_id is None else str(store_id)
            await self.execute(_SQL["see_store"], named, timeout=seconds_max)
            self._store_id = store_id

    async def plan_once(self, *, is_once: bool, seconds_max: float) -> None:
        """See the function."""
        if is_once != getattr(self, "_is_planned_once", None):
            self._is_planned_once: bool | None = None
            mode, scan = ("force_generic_plan", "off") if is_once else ("force_custom_plan", "on")
            await self.execute(_SQL["plan_statements"], mode, scan, timeout=seconds_max)
            self._is_planned_once = is_once


async def plan_once(connection: Connection, *, is_once: bool, seconds_max: float) -> None:
    """Whether the session plans each statement once, for whatever values, or each time for those at
    hand; for the rest of its life, or until it is told otherwise."""
    # What the proxy does not know it passes on.
    await cast(_Session, connection).plan_once(is_once=is_once, seconds_max=seconds_max)


def _session_class(settings: DatabaseSettings) -> type[_Session]:
    if not tracing.is_on():
        return _Session

    class Told(TracedStatements, _Session):
        __slots__ = ()
        ABOUT = about(settings.url.get_secret_value())

    return Told


async def _prepare(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: orjson.dumps(value).decode(),
        decoder=orjson.loads,
    )


class Database:
    """A pool of connections to one database."""

    def __init__(
        self, pool: asyncpg.Pool[asyncpg.Record], settings: DatabaseSettings, *, name: str = "other"
    ) -> None:
        self._pool = pool
        self._acquire_seconds = ACQUIRE_SECONDS.labels(name)
        self._unavailable = UNAVAILABLE.labels(name)
        CONNECTIONS.labels(name, "busy").set_function(lambda: self.size[0] - self.size[1])
        CONNECTIONS.labels(name, "idle").set_function(lambda: self.size[1])
        CONNECTIONS_MAX.labels(name).set_function(pool.get_max_size)
        WAITING.labels(name).set_function(lambda: self._waiting)
        self._settings = settings
        # Each with the store that it served last.
        self._parked: list[tuple[PoolConnectionProxy[asyncpg.Record], int | None]] = []
        self._waiting = 0
        self._is_closing = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: DatabaseSettings,
        *,
        name: str,
        pool_max: int | None = None,
        server_settings: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Database]:
        """Connect, waiting for a database that is still starting (processes start in any
        order; the caller's own deadline ends the wait), and close at the end. `server_settings`
        are those of every connection."""
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
                    server_settings={
                        "application_name": name,
                        "timezone": "UTC",
                        # A frozen process gives back what others wait for: rows, and the locks that
                        # let one at a time reap or claim.
                        "idle_in_transaction_session_timeout": str(
                            math.ceil(settings.transaction_idle_seconds * 1_000)
                        ),
                        **(server_settings or {}),
                    },
                    connection_class=_session_class(settings),
                    init=_prepare,
                )
                break
            except CONNECTION_ERRORS as error:
                attempt += 1
                _log.warning("database.waiting", attempt=attempt, reason=str(error))
                await asyncio.sleep(random.uniform(0.1, min(5.0, 0.2 * 2**attempt)))  # noqa: S311
        database = cls(pool, settings, name=name)
        try:
            yield database
        finally:
            try:
                await asyncio.wait_for(database._close(), timeout=settings.acquire_seconds)
            except TimeoutError:
                pool.terminate()

    @property
    def size(self) -> tuple[int, int]:
        """(connections open, connections idle)."""
        return self._pool.get_size(), self._pool.get_idle_size() + len(self._parked)

    def acquire(self, *, store_id: int | None = None, seconds_max: float | None = None) -> Lease:
        """A connection from the pool, for `async with`. It sees the rows of this store only, or of
        none. Raises `UnavailableError` when none is to be had in time or it is lost on the way.
        With `seconds_max` its statements end on the server too."""
        return Lease(self, store_id, seconds_max)

    async def take(self, store_id: int | None) -> PoolConnectionProxy[asyncpg.Record]:
        """For `Lease`. The pool's own way of taking and giving back is a good part of what a short
        statement costs, so what was given back well waits here for the next one; one that served
        the store last need not be told which it is."""
        while self._parked:
            connection, _ = self._parked.pop(self._fitting(store_id))
            if not _is_lost(connection):
                return connection
            await self._release(connection)
        self._waiting += 1
        try:
            with self._acquire_seconds.time():
                return await self._pool.acquire(timeout=self._settings.acquire_seconds)
        except CONNECTION_ERRORS as error:
            self._unavailable.inc()
            raise UnavailableError("the database does not answer", retry_after_seconds=2) from error
        finally:
            self._waiting -= 1

    def _fitting(self, store_id: int | None) -> int:
        for place in range(len(self._parked) - 1, -1, -1):
            if self._parked[place][1] == store_id:
                return place
        return -1

    async def give_back(
        self,
        connection: PoolConnectionProxy[asyncpg.Record],
        store_id: int | None,
        *,
        is_well: bool,
    ) -> None:
        """For `Lease`. Not well: something went wrong with it in hand."""
        is_well = is_well and not _is_lost(connection) and not connection.is_in_transaction()
        # Who waits for one waits at the pool.
        if is_well and not self._waiting and not self._is_closing:
            self._parked.append((connection, store_id))
        else:
            await self._release(connection)

    async def _release(self, connection: PoolConnectionProxy[asyncpg.Record]) -> None:
        try:
            await self._pool.release(connection, timeout=self._settings.acquire_seconds)
        except CONNECTION_ERRORS:
            # It is broken, and the pool has dropped it: the caller's own error tells why.
            _log.debug("database.connection_dropped")

    async def _close(self) -> None:
        self._is_closing = True
        while self._parked:
            await self._release(self._parked.pop()[0])
        await self._pool.close()

    @asynccontextmanager
    async def transaction(
        self,
        *,
        store_id: int | None = None,
        isolation: Isolation = "read_committed",
        readonly: bool = False,
        seconds_max: float | None = None,
        step: Step | None = None,
    ) -> AsyncIterator[Connection]:
        """A connection in a transaction: committed at the end, rolled back on an exception. `step`
        names the commit of one that writes."""
        async with self.acquire(store_id=store_id, seconds_max=seconds_max) as connection:
            async with connection.transaction(isolation=isolation, readonly=readonly):
                yield connection
                if step is not None:
                    await failpoints.before(step, connection.terminate)
            if step is not None:
                await failpoints.after(step, connection.terminate)

    async def problem(self) -> str | None:
        """None, or why the database cannot be used now (for `/readyz`)."""
        try:
            async with self.acquire() as connection:
                await connection.execute("SELECT 1", timeout=2)
        except (UnavailableError, TimeoutError, asyncpg.PostgresError) as error:
            return str(error) or type(error).__name__
        return None


class Lease:
    """A connection in hand: `async with database.acquire() as connection`."""

    __slots__ = ("_connection", "_database", "_seconds_max", "_store_id")

    def __init__(self, database: Database, store_id: int | None, seconds_max: float | None) -> None:
        self._database = database
        self._store_id = store_id
        self._seconds_max = seconds_max
        self._connection: PoolConnectionProxy[asyncpg.Record] | None = None

    async def __aenter__(self) -> Connection:
        connection = self._connection = await self._database.take(self._store_id)
        try:
            # What the proxy does not know it passes on.
            await cast(_Session, connection).serve(self._store_id, seconds_max=self._seconds_max)
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return connection

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is None:  # pragma: no cover - given back twice
            return
        told = None if error is None else _told(connection, error)
        await self._database.give_back(connection, self._store_id, is_well=error is None)
        if told is not None:
            raise told from error


def _told(
    connection: PoolConnectionProxy[asyncpg.Record], error: BaseException
) -> BaseException | None:
    """What a caller is told instead of the error; None: the error itself."""
    if isinstance(error, TimeoutError | asyncpg.QueryCanceledError | asyncpg.LockNotAvailableError):
        return _unavailable("the database took too long")
    if isinstance(error, _LOST):
        return _unavailable("the database went away")
    if isinstance(error, asyncpg.InternalClientError):
        # The farewell of a killed backend, read in between two statements, puts the driver out of
        # step: the connection is of no use any more.
        _terminate(connection)
        return _unavailable("the database went away")
    if isinstance(error, asyncpg.InterfaceError) and _is_lost(connection):
        return _unavailable("the database went away")
    return None  # a mistake of ours, or nothing of the database's


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
