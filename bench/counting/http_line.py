"""A caller: HTTP/1.1 on a connection that is kept, as little of it as can be.

Comes in: a URL and a token. Goes out: replies. Servers hang up on idle connections: `ready`, where
no clock runs, opens another.

A full client costs more than the gateway; this one costs the same few microseconds for everybody.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

BODY_BYTES_MAX = 2**24
IDLE_SECONDS_MAX = 2.0


class HttpError(Exception):
    """An answer other than 2xx."""


@dataclass(frozen=True, slots=True)
class Reply:
    headers: dict[bytes, bytes]
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name.lower().encode(), b"").decode()


class Line:
    """One connection; one question at a time."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or "", parts.port or 80
        self._head = (
            f" HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\nContent-Type: "
        ).encode()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._used_at = 0.0

    async def __aenter__(self) -> Self:
        await self.ready()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def ready(self) -> None:
        """Be connected, on a connection that nobody has hung up for idleness."""
        if self._writer is not None and time.monotonic() - self._used_at < IDLE_SECONDS_MAX:
            return
        self.close()
        self._reader, self._writer = await asyncio.open_connection(
            *self._address, limit=BODY_BYTES_MAX
        )
        self._used_at = time.monotonic()

    async def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: bytes = b"application/json",
    ) -> Reply:
        """Raises HttpError, which tells what was answered."""
        if self._writer is None:
            await self.ready()
            return await self.call(method, path, body, content_type)
        start = f"{method} {path}".encode()
        length = str(len(body)).encode()
        self._writer.write(
            b"".join(
                (
                    start,
                    self._head,
                    content_type,
                    b"\r\nContent-Length: ",
                    length,
                    b"\r\n\r\n",
                    body,
                )
            )
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, *lines = head[:-4].split(b"\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(b": ")
            headers[name.lower()] = value
        content = await self._reader.readexactly(int(headers.get(b"content-length", b"0")))
        self._used_at = time.monotonic()
        if not status.startswith(b"HTTP/1.1 2"):
            raise HttpError(f"{method} {path}: {status.decode()}: {content[:300].decode()}")
        return Reply(headers, content)

    async def post(self, path: str, arguments: Any) -> Reply:
        return await self.call("POST", path, json.dumps(arguments).encode())
