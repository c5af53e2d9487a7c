"""The object as it is written: one file as it is, or a zip of however many.

In: files, one after the other, in a thread. Out: a pipe with the object's bytes; of each file its
size and hash, unpacked; and, as soon as it is known, whether it is a zip. A single file is held
until it is larger than what goes out as it is; nothing else is ever held.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime

from services.report_worker.zip_stream import ZipStream
from shared.objects import BoundedPipe

# What is woken for less costs more than it brings.
_OUT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Packed:
    """A file that has been written, unpacked."""

    name: str
    bytes: int
    sha256: str


class Package:
    """Make it on the event loop. `begin`, `write`, `end` for each file and `close` come from a
    thread; `is_zip` is awaited on the loop.

    `plain_bytes_max`: up to so many bytes a single file goes out as it is; None: never.
    `modified` is wall-clock time.
    """

    def __init__(
        self,
        out: BoundedPipe,
        modified: datetime,
        *,
        plain_bytes_max: int | None,
        is_compressed: bool,
    ) -> None:
        self._out = out
        self._modified = modified
        self._plain_bytes_max = plain_bytes_max
        self._is_compressed = is_compressed
        self._loop = asyncio.get_running_loop()
        self.is_zip: asyncio.Future[bool] = self._loop.create_future()
        self._outgoing = _Gathered(out)
        self._archive: ZipStream | None = None
        self._held: list[bytes] = []
        self._name = ""
        self._is_stored = False
        self._bytes = 0
        self._digest = hashlib.sha256()

    def begin(self, name: str, *, is_stored: bool | None = None) -> None:
        """A file. Only a package that may be a zip takes a second one."""
        self._name = name
        self._is_stored = self._is_compressed if is_stored is None else is_stored
        self._bytes = 0
        self._digest = hashlib.sha256()
        if self._plain_bytes_max is None:
            self._begin_member()

    def write(self, data: bytes) -> None:
        """More of the file."""
        self._bytes += len(data)
        self._digest.update(data)
        if self._archive is not None:
            self._archive.write(data)
            return
        self._held.append(data)
        if self._plain_bytes_max is not None and self._bytes > self._plain_bytes_max:
            self._begin_member()
            held, self._held = self._held, []
            for piece in held:
                self._archive_open().write(piece)

    def end(self) -> Packed:
        """All of the file has been written."""
        if self._archive is not None:
            self._archive.end()
        return Packed(self._name, self._bytes, self._digest.hexdigest())

    def close(self) -> None:
        """All files have been written."""
        if self._archive is not None:
            self._archive.close()
        else:
            self._decide(is_zip=False)
            for piece in self._held:
                self._outgoing.put(piece)
            self._held = []
        self._outgoing.flush()
        self._out.close()

    def _begin_member(self) -> None:
        if self._archive is None:
            self._archive = ZipStream(self._outgoing.put)
            self._decide(is_zip=True)
        self._archive.begin(self._name, self._modified, is_stored=self._is_stored)

    def _archive_open(self) -> ZipStream:
        if self._archive is None:
            raise ValueError("no file has been begun")
        return self._archive

    def _decide(self, *, is_zip: bool) -> None:
        def tell() -> None:
            if not self.is_zip.done():
                self.is_zip.set_result(is_zip)

        self._loop.call_soon_threadsafe(tell)


class _Gathered:
    """Deflating gives many small pieces; the other side is woken for few large ones."""

    def __init__(self, out: BoundedPipe) -> None:
        self._out = out
        self._pieces: list[bytes] = []
        self._held = 0

    def put(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        if self._held >= _OUT_BYTES:
            self.flush()

    def flush(self) -> None:
        data, self._pieces, self._held = b"".join(self._pieces), [], 0
        self._out.put(data)
