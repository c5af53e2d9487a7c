"""One AMQP connection that is opened again, for ever, whenever it is lost.

Comes in: the broker's addresses and what to declare. Goes out: the live connection, or the reason
why there is none. A loop of our own over plain connections: connect, declare, wait for the end,
again. Everything that lives on a connection (`KeptChannel`) is made anew on the next one.
"""

from __future__ import annotations

import asyncio
import itertools
import time

import structlog
from aiormq.abc import AbstractConnection
from yarl import URL

from shared.errors import UnavailableError
from shared.messaging.backoff import full_jitter
from shared.messaging.cancellation import stray_cancellation_is, tidy_up
from shared.messaging.declaration import declare
from shared.messaging.line import Line
from shared.messaging.metrics import CONNECTED
from shared.messaging.topology import Topology
from shared.settings import BrokerSettings
from shared.telemetry import redact

RECONNECT_SECONDS_BASE = 0.1
RECONNECT_SECONDS_MAX = 5.0
# A connection that lived shorter counts as a failed attempt: no hot loop of short lives.
SETTLED_SECONDS = 5.0
REDECLARE_SECONDS = 5.0
CLOSE_SECONDS = 2.0

log = structlog.get_logger(__name__)


class KeptConnection:
    """`current` is the live connection or None; `problems` says what is wrong."""

    def __init__(self, settings: BrokerSettings, name: str, topology: Topology) -> None:
        self.name = name
        self.settings = settings
        self.current: AbstractConnection | None = None
        self.topology_problems: list[str] = []
        self._topology = topology
        self._opened = asyncio.Event()
        self._failure = "not connected yet"
        self._urls = itertools.cycle(
            [_address(url.get_secret_value(), settings) for url in settings.url]
        )

    def problems(self) -> list[str]:
        if self.current is None:
            return [f"no connection to the broker ({self.name}): {self._failure}"]
        return self.topology_problems

    def require(self) -> None:
        """Raises UnavailableError, with the reason, when there is no connection."""
        if self.current is None:
            raise UnavailableError(self.problems()[0])

    async def wait_open(self) -> AbstractConnection:
        while self.current is None:
            await self._opened.wait()
        return self.current

    async def is_blocked(self) -> bool:
        """Whether the broker has stopped reading from us: its memory or disk alarm is on."""
        if self.current is None:
            return False
        try:
            async with asyncio.timeout(0):
                await self.current.ready()
        except TimeoutError:
            return True
        return False

    async def keep(self) -> None:
        """Connect, declare, wait for the end, and again. Ends only by cancellation."""
        attempt = 0
        while True:
            began = time.monotonic()
            try:
                with stray_cancellation_is("the connection was lost"):
                    await self._live_once()
            except Exception as error:  # noqa: BLE001 - whatever it was, the answer is to reconnect
                self._failed(error)
            if time.monotonic() - began > SETTLED_SECONDS:
                attempt = 0
            # Every address once before waiting longer.
            pause = full_jitter(
                attempt // len(self.settings.url),
                base_seconds=RECONNECT_SECONDS_BASE,
                seconds_max=RECONNECT_SECONDS_MAX,
            )
            attempt += 1
            await asyncio.sleep(pause)

    async def _live_once(self) -> None:
        connection = Line(next(self._urls), name=self.name)
        try:
            async with asyncio.timeout(self.settings.connect_seconds):
                await connection.connect()
                self.topology_problems = await declare(connection, self._topology)
            self.current = connection
            self._opened.set()
            CONNECTED.labels(self.name).set(1)
            log.info("broker.connected", connection=self.name, problems=self.topology_problems)
            await self._wait_closed(connection)
        finally:
            self.current = None
            self._opened.clear()
            CONNECTED.labels(self.name).set(0)
            # Over a dead line the library would wait three heartbeats for an answer.
            await tidy_up(connection.close(), seconds=CLOSE_SECONDS)

    async def _wait_closed(self, connection: AbstractConnection) -> None:
        closing = connection.closing
        while not closing.done():
            # Waiting for the future, not awaiting it: its exception may be a CancelledError.
            await asyncio.wait(
                {closing}, timeout=REDECLARE_SECONDS if self.topology_problems else None
            )
            if not closing.done() and self.topology_problems:
                self.topology_problems = await declare(connection, self._topology)
        reason = None if closing.cancelled() else closing.exception()
        raise ConnectionError(f"closed: {reason!r}")

    def _failed(self, error: Exception) -> None:
        failure = redact(str(error) or type(error).__name__)
        if failure != self._failure:  # one line a change, not one an attempt
            log.warning("broker.unreachable", connection=self.name, reason=failure)
        self._failure = failure


def _address(url: str, settings: BrokerSettings) -> URL:
    address = URL(url)
    if address.scheme not in ("amqp", "amqps"):
        raise ValueError("TALLYPORT_BROKER_URL: every address begins with amqp:// or amqps://")
    return address.update_query(heartbeat=str(settings.heartbeat_seconds))
