"""A TCP proxy that does to connections what networks do.

In: the address behind it. Out: a port on 127.0.0.1, and faults at command: delay, less bandwidth,
silence, refusal, a cut, a reset, half a close, and traps that spring when certain bytes pass.

It passes bytes on as they are, so that what was signed for the proxy's address (the host is part of
the signature of a presigned link) is checked by the server for that same address.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum

BUFFER_BYTES = 128 * 1024
CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS = 5.0


class Side(Enum):
    """Which way bytes go."""

    UP = "to the server"
    DOWN = "to the client"


@dataclass(slots=True)
class Trap:
    """Springs on the first chunks that match: the connection is reset, `after` these bytes have
    reached the other side or before. Springs `times` times."""

    pattern: re.Pattern[bytes]
    side: Side = Side.UP
    after: bool = False
    times: int = 1
    sprung: int = 0


@dataclass(eq=False, slots=True)
class _Link:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    is_mute: bool = False

    def end(self, *, reset: bool) -> None:
        for writer in (self.client, self.server):
            _end(writer, reset=reset)


@dataclass(eq=False)
class Proxy:
    """`async with proxy_to(host, port) as proxy`. Faults hold until they are taken back."""

    host: str
    target_port: int
    port: int = 0
    delay_seconds: float = 0.0
    bytes_per_second: float | None = None
    traps: list[Trap] = field(default_factory=list)
    accepted: int = 0
    refused: int = 0
    _is_refusing: bool = False
    _speaking: asyncio.Event = field(default_factory=asyncio.Event)
    _links: set[_Link] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def open_links(self) -> int:
        return len(self._links)

    def refuse(self) -> None:
        """End every connection; new ones are reset at once."""
        self._is_refusing = True
        self.reset()

    def accept(self) -> None:
        self._is_refusing = False

    def silence(self) -> None:
        """A black hole: connections stay, and are made, and nothing comes through."""
        self._speaking.clear()

    def speak(self) -> None:
        """What was held back comes through now."""
        self._speaking.set()

    def cut(self) -> int:
        """Close every connection in order (FIN), both ways; how many."""
        return self._end_all(reset=False)

    def reset(self) -> int:
        """Break every connection (RST), both ways; how many."""
        return self._end_all(reset=True)

    def half_close(self) -> int:
        """Tell every client that the server has nothing more to say, while it goes on listening."""
        links = [link for link in self._links if not link.is_mute]
        for link in links:
            link.is_mute = True
            with contextlib.suppress(OSError, RuntimeError):
                link.client.write_eof()
        return len(links)

    def trap(
        self, pattern: bytes, *, side: Side = Side.UP, after: bool = False, times: int = 1
    ) -> Trap:
        """Set a trap. The pattern is looked for in each chunk by itself."""
        trap = Trap(re.compile(pattern), side, after, times)
        self.traps.append(trap)
        return trap

    def heal(self) -> None:
        """No fault any more; connections that were broken stay broken."""
        self.delay_seconds, self.bytes_per_second = 0.0, None
        self.traps.clear()
        self.accept()
        self.speak()

    def _end_all(self, *, reset: bool) -> int:
        links = [*self._links]
        for link in links:
            link.end(reset=reset)
        return len(links)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            self.refused += 1
            _end(client, reset=True)
            return
        self.accepted += 1
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                answers, server = await self._to_target()
        except OSError:
            _end(client, reset=True)
            return
        link = _Link(client, server)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, server, link, Side.UP))
                pumps.create_task(self._pump(answers, client, link, Side.DOWN))
        except* OSError:
            link.end(reset=True)  # what one side did, the other side feels
        finally:
            self._links.discard(link)
            link.end(reset=False)

    async def _to_target(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """With a small buffer of its own: one that the kernel lets grow holds megabytes, and who
        sends to a slow peer would not notice."""
        link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            link.setblocking(False)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            await asyncio.get_running_loop().sock_connect(link, (self.host, self.target_port))
            return await asyncio.open_connection(sock=link)
        except BaseException:
            link.close()
            raise

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link, side: Side
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            if self.bytes_per_second:
                await asyncio.sleep(len(chunk) / self.bytes_per_second)
            await self._speaking.wait()
            sprung = self._sprung(chunk, side)
            if sprung and not sprung.after:
                link.end(reset=True)
                return
            if side is Side.DOWN and link.is_mute:
                continue
            writer.write(chunk)
            await writer.drain()
            if sprung:
                # The bytes are on their way; the answer to them is not let through.
                link.is_mute = True
                await asyncio.sleep(AFTER_SECONDS)
                link.end(reset=True)
                return
        await self._speaking.wait()
        with contextlib.suppress(OSError, RuntimeError):
            if writer.can_write_eof() and not link.is_mute:
                writer.write_eof()

    def _sprung(self, chunk: bytes, side: Side) -> Trap | None:
        for trap in self.traps:
            if trap.side is side and trap.sprung < trap.times and trap.pattern.search(chunk):
                trap.sprung += 1
                return trap
        return None


# How long a trap that springs afterwards leaves the server to do what it was told.
AFTER_SECONDS = 0.3


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset:
        connection = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            # Linger for no time: what is left is thrown away, and the other side gets RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()


@contextlib.asynccontextmanager
async def proxy_to(host: str, port: int) -> AsyncIterator[Proxy]:
    """A proxy without faults; it and its connections end with the block."""
    proxy = Proxy(host, port)
    proxy.speak()
    server = await asyncio.start_server(proxy._connected, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.heal()
        proxy.reset()
        for task in [*proxy._tasks]:
            task.cancel()
        await asyncio.gather(*proxy._tasks, return_exceptions=True)
