"""One channel that is opened again whenever it, or the connection under it, is lost.

Comes in: a kept connection and what to prepare on a fresh channel (declare, consume). Goes out: the
live channel, or the reason why there is none. Whoever needs the channel asks for it each time and
keeps nothing of an old one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

import structlog
from aiormq import Channel

from shared.errors import UnavailableError
from shared.messaging.backoff import full_jitter
from shared.messaging.cancellation import stray_cancellation_is, tidy_up
from shared.messaging.kept_connection import CLOSE_SECONDS, KeptConnection
from shared.telemetry import redact

REOPEN_SECONDS_BASE = 0.1
REOPEN_SECONDS_MAX = 5.0

Prepare = Callable[[Channel], Awaitable[None]]

log = structlog.get_logger(__name__)


async def _nothing(_channel: Channel) -> None:
    """A channel to publish on needs no preparation."""


class KeptChannel:
    """`prepare` makes a fresh channel useful; `on_lost` is called when it is gone."""

    def __init__(
        self,
        connection: KeptConnection,
        name: str,
        *,
        confirms: bool = False,
        prepare: Prepare = _nothing,
    ) -> None:
        self.name = name
        self.connection = connection
        self.on_lost: set[Callable[[], None]] = set()
        self._confirms = confirms
        self._prepare = prepare
        self._channel: Channel | None = None
        self._opened = asyncio.Event()
        self._renewal = asyncio.Event()
        self._failure = "not open yet"

    def problem(self) -> str | None:
        if self._channel is None or self._renewal.is_set():
            return f"{self.name}: {self._failure}"
        return f"{self.name}: just lost" if self._channel.is_closed else None

    def current(self) -> Channel:
        """The live channel. Raises UnavailableError when there is none."""
        self.connection.require()
        if self._channel is None or self._channel.is_closed:
            raise UnavailableError(self.problem() or self.name)
        return self._channel

    async def opened(self) -> Channel:
        """The live channel, waited for when only it, and not the connection, was lost: that takes
        milliseconds. Raises UnavailableError at once when there is no connection."""
        self.connection.require()
        return await self.wait_open()

    async def wait_open(self) -> Channel:
        while self._channel is None or self._channel.is_closed:
            self._opened.clear()
            await self._opened.wait()
        return self._channel

    async def wait_open_for(self, seconds: float) -> bool:
        """Whether it is open, after waiting at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait_open()
        return self._channel is not None

    def renew(self, reason: str) -> None:
        """Give this channel up and prepare another: the broker took something from it."""
        self._failure = reason
        self._renewal.set()

    async def keep(self) -> None:
        """Open, prepare, wait for the end, and again. Ends only by cancellation."""
        attempt = 0
        while True:
            connection = await self.connection.wait_open()
            channel: Channel | None = None
            try:
                with stray_cancellation_is("the connection was lost"):
                    async with asyncio.timeout(self.connection.settings.connect_seconds):
                        channel = cast(
                            Channel, await connection.channel(publisher_confirms=self._confirms)
                        )
                        await self._prepare(channel)
                    attempt = 0
                    self._channel = channel
                    self._opened.set()
                    await self._wait_end(channel)
            except Exception as error:  # noqa: BLE001 - whatever it was, the answer is to reopen
                self._failed(error)
            finally:
                self._channel = None
                self._opened.clear()
                self._renewal.clear()
                for lost in self.on_lost:
                    lost()
                if channel is not None:
                    await tidy_up(channel.close(), seconds=CLOSE_SECONDS)
            await asyncio.sleep(
                full_jitter(
                    attempt, base_seconds=REOPEN_SECONDS_BASE, seconds_max=REOPEN_SECONDS_MAX
                )
            )
            attempt += 1

    async def _wait_end(self, channel: Channel) -> None:
        closing = channel.closing
        renewal = asyncio.create_task(self._renewal.wait())
        try:
            await asyncio.wait({closing, renewal}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            renewal.cancel()
        if closing.done():
            reason = None if closing.cancelled() else closing.exception()
            raise ConnectionError(f"channel closed: {reason!r}")

    def _failed(self, error: Exception) -> None:
        failure = redact(str(error) or type(error).__name__)
        if failure != self._failure and self.connection.current is not None:
            log.warning("channel.lost", channel=self.name, reason=failure)
        self._failure = failure
