"""One connection as the library makes it, with a way past it for what is read and written most.

Comes in: an address. Goes out: `Line`, an aiormq connection, whose `reader` and `transport` are
those that it works with. What is written straight to the transport stands between whole frames of
the library's, for it writes nothing else.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiormq
from aiormq import TransportFactory
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPConnectionError, ChannelInvalidStateError
from yarl import URL

from shared.messaging.express import ExpressReader


class LineTransport(TransportFactory):
    """TCP or TLS, by the scheme of the address."""

    def __init__(self) -> None:
        self.reader: ExpressReader | None = None
        self.transport: asyncio.Transport | None = None

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        provider = kwargs.pop("ssl_context_provider")
        context: ssl.SSLContext | None = (
            await provider.get_context() if url.scheme == "amqps" else None
        )
        loop = asyncio.get_running_loop()
        reader = self.reader = ExpressReader(loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport, _ = await loop.create_connection(
                lambda: protocol, url.host or "", url.port or 0, ssl=context, **kwargs
            )
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        self.transport = transport
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class Line(aiormq.Connection):
    """An aiormq connection, to be connected once."""

    def __init__(self, url: URL, *, name: str) -> None:
        self._line = LineTransport()
        super().__init__(
            url, client_properties={"connection_name": name}, transport_factory=self._line
        )

    @property
    def is_connection_was_stuck(self) -> bool:
        """The library looks at what it read itself, which may be nothing but heartbeats; and of
        those the broker sends none while it has something else to say."""
        if self._line.reader is None:
            return super().is_connection_was_stuck
        silent_seconds = self.loop.time() - self._line.reader.heard_at
        allowed_seconds = (self.heartbeat_timeout + 1) * self.HEARTBEAT_GRACE_MULTIPLIER
        return bool(silent_seconds > allowed_seconds)

    def abort(self) -> None:
        """End it as a line does that breaks: the other side hears nothing but a reset."""
        if self._line.transport is not None:
            self._line.transport.abort()

    @property
    def reader(self) -> ExpressReader:
        """Raises ChannelInvalidStateError when there is none yet."""
        if self._line.reader is None:
            raise ChannelInvalidStateError("not connected yet")
        return self._line.reader

    @property
    def transport(self) -> asyncio.Transport:
        """Raises ChannelInvalidStateError when it is closed."""
        transport = self._line.transport
        if transport is None or transport.is_closing():
            raise ChannelInvalidStateError("the connection is closed")
        return transport


def abort(connection: AbstractConnection) -> None:
    """For failpoints: `Line.abort`, if it is one."""
    if isinstance(connection, Line):
        connection.abort()


def line_of(channel: AbstractChannel) -> Line:
    """Every channel of ours is on a `Line`."""
    if not isinstance(channel.connection, Line):
        raise TypeError(f"not a connection of ours: {channel.connection!r}")
    return channel.connection
