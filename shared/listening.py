"""Hearing of what other processes commit: LISTEN on channels, and again whenever the line is lost.

Comes in: channels, and what is to be called for each. Goes out: the payloads that are heard, and
None whenever listening begins: what was said before may have been missed, so look for yourself.
Nobody should rely on hearing everything: a notification is a hint to look at once instead of later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import asyncpg
import structlog

from shared.database.pool import PASSING_ERRORS, Connection, Database
from shared.messaging.backoff import full_jitter

CHECK_SECONDS = 15.0
ANSWER_SECONDS = 3.0
RETRY_SECONDS_BASE = 0.5
RETRY_SECONDS_MAX = 5.0

log = structlog.get_logger(__name__)

Heard = Callable[[str | None], None]


class Listener:
    """One for the process: it keeps one of the database's connections for itself while it runs,
    however many channels it hears."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._channels: dict[str, Heard] = {}
        self.is_listening = False

    def hear(self, channel: str, heard: Heard) -> None:
        """Call it with what is said on the channel. Before `run`."""
        self._channels[channel] = heard

    async def run(self) -> None:
        """Listen until cancelled."""
        attempt = 0
        while True:
            try:
                async with self._database.acquire() as connection:
                    attempt = 0
                    await self._listen(connection)
            except PASSING_ERRORS as error:
                log.info("channels.deaf", channels=[*self._channels], reason=str(error))
            await asyncio.sleep(
                full_jitter(attempt, base_seconds=RETRY_SECONDS_BASE, seconds_max=RETRY_SECONDS_MAX)
            )
            attempt += 1

    async def _listen(self, connection: Connection) -> None:
        lost = asyncio.Event()

        def heard(_connection: object, _pid: object, channel: object, payload: object) -> None:
            self._channels[str(channel)](str(payload))

        def gone(*_: object) -> None:
            lost.set()

        connection.add_termination_listener(gone)
        try:
            for channel in self._channels:
                await connection.add_listener(channel, heard)
            self.is_listening = True
            for call in self._channels.values():
                call(None)
            while not await within(CHECK_SECONDS, lost):
                # A line that is cut without a word looks like one where nothing is said.
                await connection.execute("SELECT 1", timeout=ANSWER_SECONDS)
        finally:
            self.is_listening = False
            # A connection that was lost is the pool's already, and refuses every call.
            with suppress(asyncpg.InterfaceError):
                connection.remove_termination_listener(gone)
                for channel in self._channels:
                    await connection.remove_listener(channel, heard)


async def within(seconds: float, event: asyncio.Event) -> bool:
    """Whether the event came in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
