"""A report's file comes out: whole and as promised, or not at all.

Comes in: a report, and a path or something to write to. Goes out: a file under its final name whose
size and SHA-256 are those that the service promised. A connection that breaks is made again from
where it broke; a link that has expired is replaced by a fresh one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

from tallyport_client.errors import (
    ClientError,
    DamagedFileError,
    NotFoundError,
    ReportRemovedError,
    UnreachableError,
)
from tallyport_client.models import Report, ReportFile
from tallyport_client.retrying import pause_seconds
from tallyport_client.transport import Transport

LINK = "fx:download_url"
CHUNK_BYTES = 1024 * 1024
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
# In a row without a single byte; whatever gets on may go on.
ATTEMPTS_IN_VAIN_MAX = 5

Advance = Callable[[int], None]


class Writer(Protocol):
    """A binary file, or anything else with such a `write`; one that returns an awaitable is
    awaited."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Downloaded:
    """`path` is None for a writer's."""

    path: Path | None
    bytes: int
    sha256: str


async def download(
    transport: Transport,
    report: Report,
    target: str | os.PathLike[str] | Writer,
    advance: Advance | None = None,
) -> Downloaded:
    """See `AsyncReports.download`."""
    promised = report.download
    if promised is None:
        report = await _look(transport, report)
        promised = report.download
    if promised is None:
        raise _no_file(report)
    if not isinstance(target, str | os.PathLike):
        return await _Fetch(transport, report, promised, target, advance).run(None)
    path = _named(Path(target), promised.name)
    async with _partial(path) as (partial, file):
        found = await _Fetch(transport, report, promised, file, advance).run(path)
        await asyncio.to_thread(_keep, file)
        partial.replace(path)
    return found


class _Disk:
    """Writes that do not hold the loop up."""

    def __init__(self, partial: Path) -> None:
        self.file = partial.open("xb")

    async def write(self, data: bytes, /) -> None:
        await asyncio.to_thread(self.file.write, data)


@asynccontextmanager
async def _partial(path: Path) -> AsyncIterator[tuple[Path, _Disk]]:
    # In the same folder, so that the rename is one step; of a name that nobody else writes to.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    disk = _Disk(partial)
    try:
        yield partial, disk
    finally:
        disk.file.close()
        partial.unlink(missing_ok=True)


def _keep(disk: _Disk) -> None:
    disk.file.flush()
    os.fsync(disk.file.fileno())


class _Fetch:
    """One file on its way: what has come, over however many connections."""

    def __init__(
        self,
        transport: Transport,
        report: Report,
        promised: ReportFile,
        writer: Writer,
        advance: Advance | None,
    ) -> None:
        self._transport = transport
        self._report = report
        self._promised = promised
        self._writer = writer
        self._advance = advance
        self._digest = hashlib.sha256()
        self._size = 0
        self._etag: str | None = None

    async def run(self, path: Path | None) -> Downloaded:
        in_vain = 0
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
        )
        # A session without our token: the link speaks for itself.
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            while True:
                before = self._size
                problem = await self._attempt(session)
                if problem is None:
                    break
                in_vain = 0 if self._size > before else in_vain + 1
                if in_vain >= ATTEMPTS_IN_VAIN_MAX:
                    raise problem
                await asyncio.sleep(pause_seconds(max(in_vain, 1), None))
                # Every look at the resource signs a new link.
                self._report = await _look(self._transport, self._report)
        found = self._digest.hexdigest()
        if found != self._promised.sha256:
            raise DamagedFileError(f"its SHA-256 is {found}, not {self._promised.sha256}")
        return Downloaded(path, self._size, found)

    async def _attempt(self, session: aiohttp.ClientSession) -> ClientError | None:
        """None at the end of the file; else what is in the way, for the next attempt."""
        link = self._report.link(LINK)
        if link is None:
            raise _no_file(self._report)
        headers = {"Accept-Encoding": "identity"}
        if self._size and self._etag:
            headers |= {"Range": f"bytes={self._size}-", "If-Range": self._etag}
        try:
            async with session.get(link, headers=headers) as response:
                if response.status not in (200, 206):
                    return UnreachableError(
                        f"the object store answered {response.status} to the download link"
                    )
                await self._take(response)
        except (TimeoutError, aiohttp.ClientError) as error:
            return UnreachableError(f"the object store broke off: {str(error) or 'it fell silent'}")
        return None if self._size >= self._promised.bytes else UnreachableError("the file is cut")

    async def _take(self, response: aiohttp.ClientResponse) -> None:
        tag = response.headers.get("ETag", "")
        self._etag = tag if tag and not tag.startswith("W/") else None
        before = 0
        if response.status == 206:
            begins = response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
            if begins != str(self._size):
                raise DamagedFileError(f"bytes from {self._size} were asked for, not {begins}")
        else:
            before = self._size  # all of it again: what is here already is compared, not written
        length = response.content_length
        if length is not None and self._size - before + length != self._promised.bytes:
            raise DamagedFileError(
                f"{self._size - before + length} bytes are there, "
                f"{self._promised.bytes} were promised"
            )
        again = hashlib.sha256()
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            if before:
                known, chunk = chunk[:before], chunk[before:]  # noqa: PLW2901
                again.update(known)
                before -= len(known)
                if not before and again.digest() != self._digest.digest():
                    raise DamagedFileError("the file has changed while it was fetched")
            if chunk:
                await self._write(chunk)

    async def _write(self, chunk: bytes) -> None:
        if self._size + len(chunk) > self._promised.bytes:
            raise DamagedFileError(f"more came than the {self._promised.bytes} bytes promised")
        written = self._writer.write(chunk)
        if isinstance(written, Awaitable):
            await written
        self._digest.update(chunk)
        self._size += len(chunk)
        if self._advance is not None:
            self._advance(len(chunk))


async def _look(transport: Transport, report: Report) -> Report:
    try:
        return Report.of((await transport.call("GET", f"/reports/{report.id}")).json())
    except NotFoundError:
        raise ReportRemovedError(f"report {report.id} was removed") from None


def _no_file(report: Report) -> ClientError:
    if report.is_file_expired:
        return ReportRemovedError(f"the file of report {report.id} is no longer kept")
    return ReportRemovedError(f"report {report.id} has no file: it is {report.status}")


def _named(target: Path, name: str) -> Path:
    # Only the last part: a name from afar must not choose the folder.
    return target / Path(name).name if target.is_dir() else target
