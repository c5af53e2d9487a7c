"""HTTP by hand: what no client library would send."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import Any

ANSWER_SECONDS = 20.0
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What came back before the other side closed."""

    raw: bytes
    seconds: float

    @property
    def status(self) -> int:
        """Of the first answer; 0 when there was none."""
        return int(self.raw.split(b" ", 2)[1]) if self.raw.startswith(b"HTTP/1.") else 0

    @property
    def headers(self) -> dict[str, str]:
        head = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (h.partition(":") for h in head)}

    @property
    def error(self) -> str:
        """The message in its body."""
        content: Any = json.loads(self.raw.partition(b"\r\n\r\n")[2])
        return str(content["error"])


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._began = time.monotonic()

    async def send(self, data: bytes) -> None:
        """Write; that the other side has closed is seen by what is read."""
        with contextlib.suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()

    async def until_closed(self, *, seconds: float = ANSWER_SECONDS) -> Answer:
        """All that comes until the other side closes. Fails when it does not."""
        received = bytearray()
        async with asyncio.timeout(seconds):
            with contextlib.suppress(OSError):
                while data := await self.reader.read(65_536):
                    received += data
        return Answer(bytes(received), time.monotonic() - self._began)

    async def trickle(self, data: bytes, *, every_seconds: float) -> None:
        """Byte by byte, until the other side has enough of it."""
        for position in range(len(data)):
            if self.reader.at_eof() or self.writer.is_closing():
                return
            await self.send(data[position : position + 1])
            await asyncio.sleep(every_seconds)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Peer:
    """Opens connections to the gateway."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.token = token
        self._lines: list[Line] = []

    async def line(self, *, address: str | None = None) -> Line:
        """A new connection, from another address of this machine if asked for."""
        local = (address, 0) if address else None
        opened = Line(*await asyncio.open_connection(HOST, self.port, local_addr=local))
        self._lines.append(opened)
        return opened

    def head(self, path: str, *headers: str, method: str = "POST") -> bytes:
        lines = (
            f"{method} {path} HTTP/1.1",
            "Host: tallyport",
            f"Authorization: Bearer {self.token}",
            "Content-Type: application/json",
            *headers,
        )
        return "\r\n".join((*lines, "", "")).encode("latin-1")

    async def ask(self, path: str, body: bytes, *headers: str, method: str = "POST") -> Answer:
        """One request on a connection of its own, to be closed after the answer."""
        line = await self.line()
        head = self.head(
            path, f"Content-Length: {len(body)}", "Connection: close", *headers, method=method
        )
        await line.send(head + body)
        return await line.until_closed()

    async def close(self) -> None:
        for line in self._lines:
            await line.close()
