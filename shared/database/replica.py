"""Reading from a replica, and never less than the primary had when the reader came.

Comes in: the primary, perhaps a replica, and work that only reads. Goes out: what the work found,
and where. The point up to which the primary's log is safe is asked for after the work came; the
replica reads when it has replayed that far, within a short wait. Otherwise, and when it breaks in
the middle, the primary does. Decision 0032 says why this is enough.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import asyncpg
import structlog
from prometheus_client import Counter

from shared.database.pool import Connection, Database, Isolation
from shared.database.queries import load_queries
from shared.errors import UnavailableError
from shared.settings import DatabaseSettings

_SQL = load_queries(__file__)
_log = structlog.get_logger(__name__)

# So long a replica that broke is left alone, and one that is behind is not waited for.
REST_SECONDS = 5.0
BEHIND_SECONDS = 1.0
# A replica is another's machine on the same network: who does not let us in by now is gone.
CONNECT_SECONDS = 2.0
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.002, 0.05
CHECK_SECONDS = 2.0


class Used(StrEnum):
    """How a reading that might have gone to the replica ended. All but the first: the primary."""

    REPLICA = "replica"
    BEHIND = "behind"
    BROKEN = "broken"
    RESTING = "resting"


READS = Counter(
    "tallyport_replica_reads_total",
    "Readings that a replica was there for, by who answered and why.",
    ("outcome",),
)

# What a replica does that a primary might not: it is gone, full, starting, ends statements that are
# in the way of its replay (40001, 40P01), or does not know us yet.
BROKEN: tuple[type[BaseException], ...] = (
    UnavailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class _BrokenError(UnavailableError):
    """The replica broke; its cause says how."""


class _BehindError(UnavailableError):
    """The replica has not replayed what its reader has to see."""


class _StrangerError(UnavailableError):
    """The server is no replica of our primary."""


class Source(Protocol):
    """What a reading is done on: a database, or a replica that has to be far enough first."""

    def acquire(
        self, *, store_id: int | None = None, seconds_max: float | None = None
    ) -> AbstractAsyncContextManager[Connection]: ...

    def transaction(
        self,
        *,
        store_id: int | None = None,
        isolation: Isolation = "read_committed",
        readonly: bool = False,
        seconds_max: float | None = None,
    ) -> AbstractAsyncContextManager[Connection]: ...


T = TypeVar("T")
Work = Callable[[Source], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the log of one cluster."""

    lsn: str
    system_identifier: int


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What the work gave, and whether the replica did it."""

    value: T
    on_replica: bool


class ReadSources:
    """The primary, and the replica if there is one. `wait_seconds`: for the replica to catch up."""

    def __init__(
        self, primary: Database, replica: Database | None = None, *, wait_seconds: float = 0.1
    ) -> None:
        self._primary = primary
        self._replica = replica
        self._wait_seconds = wait_seconds
        self._points = _Points(primary)
        self._rests_until = 0.0
        self._no_wait_until = 0.0
        self._last = Used.REPLICA

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        primary: Database,
        settings: DatabaseSettings,
        connect: Callable[[DatabaseSettings], AbstractAsyncContextManager[Database]],
        *,
        wait_seconds: float,
    ) -> AsyncIterator[ReadSources]:
        """With the replica that the settings name, if they do. `connect` opens a database as the
        service reads it. Nothing is connected before it is needed: a replica that is gone when the
        process starts keeps nobody waiting."""
        if settings.replica_url is None:
            yield cls(primary)
            return
        own = settings.model_copy(
            update={
                "url": settings.replica_url,
                "pool_min": 0,
                "acquire_seconds": min(settings.acquire_seconds, CONNECT_SECONDS),
            }
        )
        async with connect(own) as replica:
            yield cls(primary, replica, wait_seconds=wait_seconds)

    async def read(self, work: Work[T]) -> Found[T]:
        """The work, which may run twice and has to read only. Raises what it raises; the trouble of
        a replica never shows."""
        replica = self._replica
        if replica is None:
            return Found(await work(self._primary), on_replica=False)
        now = time.monotonic()
        if now < self._rests_until:
            return await self._on_primary(work, Used.RESTING)
        # Before the point is known nothing can be read anywhere: this error is the primary's.
        point = await self._points.now()
        wait_seconds = self._wait_seconds if now >= self._no_wait_until else 0.0
        try:
            value = await work(_Replayed(replica, point, wait_seconds))
        except _BehindError as error:
            self._no_wait_until = time.monotonic() + BEHIND_SECONDS
            return await self._on_primary(work, Used.BEHIND, error)
        except _BrokenError as error:
            # One whose statement was in the way of the replay is well.
            if not isinstance(error.__cause__, asyncpg.TransactionRollbackError):
                self._rests_until = time.monotonic() + REST_SECONDS
            return await self._on_primary(work, Used.BROKEN, error.__cause__)
        self._tell(Used.REPLICA)
        return Found(value, on_replica=True)

    async def _on_primary(
        self, work: Work[T], why: Used, error: BaseException | None = None
    ) -> Found[T]:
        self._tell(why, error)
        return Found(await work(self._primary), on_replica=False)

    def _tell(self, used: Used, error: BaseException | None = None) -> None:
        """Each is counted, a change is logged."""
        READS.labels(used.value).inc()
        if used is Used.RESTING or used is self._last:
            return
        self._last = used
        if used is Used.REPLICA:
            _log.info("replica.used")
        else:
            reason = f"{type(error).__name__}: {error}"
            _log.warning("replica.not_used", outcome=used.value, reason=reason)


class _Points:
    """The primary's point, asked for after whoever wants it came: once for all who come while the
    question before is on its way."""

    def __init__(self, primary: Database) -> None:
        self._primary = primary
        self._present: asyncio.Task[Point] | None = None
        self._next: asyncio.Task[Point] | None = None

    async def now(self) -> Point:
        if self._next is None:
            self._next = asyncio.create_task(self._behind(self._present))
        # One who gives up leaves it to the others.
        return await asyncio.shield(self._next)

    async def _behind(self, present: asyncio.Task[Point] | None) -> Point:
        if present is not None:
            await asyncio.wait([present])
        # From here on it is too late for this one.
        self._present, self._next = self._next, None
        async with self._primary.acquire() as connection:
            row = await connection.fetchrow(_SQL["point"], timeout=CHECK_SECONDS)
        if row is None:  # pragma: no cover - it has exactly one row
            raise RuntimeError("the statement gave no row")
        return Point(row["lsn"], row["system_identifier"])


@dataclass(frozen=True, slots=True)
class _Replayed:
    """A replica whose every connection is asked whether it is far enough, before it reads: they may
    lead to several servers."""

    replica: Database
    point: Point
    wait_seconds: float

    @asynccontextmanager
    async def acquire(
        self, *, store_id: int | None = None, seconds_max: float | None = None
    ) -> AsyncIterator[Connection]:
        lease = self.replica.acquire(store_id=store_id, seconds_max=seconds_max)
        try:
            async with lease as connection:
                await self._catch_up(connection)
                yield connection
        except _BehindError:
            raise
        except BROKEN as error:
            raise _BrokenError("the replica broke") from error

    @asynccontextmanager
    async def transaction(
        self,
        *,
        store_id: int | None = None,
        isolation: Isolation = "read_committed",
        readonly: bool = False,
        seconds_max: float | None = None,
    ) -> AsyncIterator[Connection]:
        async with (
            self.acquire(store_id=store_id, seconds_max=seconds_max) as connection,
            # The snapshot is taken behind this line, so behind the answer.
            connection.transaction(isolation=isolation, readonly=readonly),
        ):
            yield connection

    async def _catch_up(self, connection: Connection) -> None:
        until = time.monotonic() + self.wait_seconds
        pause = PAUSE_SECONDS_MIN
        while True:
            row = await connection.fetchrow(
                _SQL["reached"],
                self.point.lsn,
                self.point.system_identifier,
                timeout=CHECK_SECONDS,
            )
            if row is None or not row["is_replica"]:
                raise _StrangerError("the server is no replica of the primary")
            if row["is_reached"]:
                return
            left = until - time.monotonic()
            if left <= 0:
                raise _BehindError("the replica is behind")
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)
