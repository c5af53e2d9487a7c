"""The library's connection, with what we need of it beyond that.

In: an address. Out: a connection with room for bursts, which can be ended without a farewell.
"""

from __future__ import annotations

import aiormq
from aiormq.abc import AbstractConnection
from yarl import URL

from shared.messaging.careful_reader import CarefulTransport


class PlainConnection(aiormq.Connection):
    """Connected by `connect()`, as the library's."""

    # Room for a burst of frames that are written without waiting (`frames`).
    FRAME_BUFFER_SIZE = 4_096

    def __init__(self, url: URL, *, name: str) -> None:
        self._transport = CarefulTransport()
        super().__init__(
            url, client_properties={"connection_name": name}, transport_factory=self._transport
        )

    def abort(self) -> None:
        """End it as a line does that breaks: the other side hears nothing but a reset."""
        self._transport.abort()


def abort(connection: AbstractConnection) -> None:
    """For failpoints: `PlainConnection.abort`, if it is one."""
    if isinstance(connection, PlainConnection):
        connection.abort()
