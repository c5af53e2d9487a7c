"""Bytes on their way from async code to a thread: bounded, counted, hashed if that is asked for.

Comes in: `write` from the event loop (or `put` from a thread), then `close`, or `fail`. Goes out:
`read_into` or `read_chunk` in the thread that takes them. A failure on either side reaches the
other as an exception: nothing more means the end and nothing else, because an uploader takes it for
the end of a whole object.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import deque

PIPE_BYTES = 4 * 1024 * 1024


class PipeBrokenError(Exception):
    """The other side has failed; its error is the cause."""


class BoundedPipe:
    """One writer, one reader. Make it on the event loop that writes."""

    def __init__(self, *, bytes_max: int = PIPE_BYTES, is_hashed: bool = True) -> None:
        self.bytes_max = bytes_max
        self.bytes_read = 0
        self._digest = hashlib.sha256() if is_hashed else None
        self._chunks: deque[bytes | memoryview] = deque()
        self._held = 0
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    @property
    def sha256(self) -> str:
        """Of what has been read so far, in hexadecimal. Raises `ValueError` if it is not hashed."""
        if self._digest is None:
            raise ValueError("this pipe does not hash what goes through")
        return self._digest.hexdigest()

    async def write(self, data: bytes) -> None:
        """Append; waits while the pipe is full. Raises `PipeBrokenError` when the reader failed."""
        while not self._append(data):
            await self._news.wait()

    def put(self, data: bytes) -> None:
        """`write` for a writer in a thread."""
        while not self._append(data):
            with self._changed:
                self._changed.wait_for(lambda: self._has_room() or self._error is not None)

    def close(self) -> None:
        """The end, and all of it was written."""
        with self._changed:
            self._closed = True
            self._tell()

    def fail(self, error: BaseException) -> None:
        """Make the other side raise. The first failure counts; closing does not undo it."""
        with self._changed:
            if self._error is None:
                self._error = error
                self._chunks.clear()
                self._held = 0
            self._tell()

    def read_into(self, buffer: memoryview) -> int:
        """Fill the buffer; how many bytes, fewer than it has only at the end. Raises
        `PipeBrokenError`."""
        filled = 0
        while filled < len(buffer) and (piece := self._take(len(buffer) - filled)) is not None:
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        self._account(buffer[:filled])
        return filled

    def read_chunk(self) -> bytes:
        """What is there, as it was written; b"" at the end."""
        piece = self._take(-1)
        # It is what was written, and no copy of it, unless somebody has read a part of it.
        data = b"" if piece is None else bytes(piece)
        self._account(data)
        return data

    def read(self) -> bytes:
        """Everything, to the end. Raises `PipeBrokenError`."""
        return b"".join(iter(self.read_chunk, b""))

    def _account(self, data: bytes | memoryview) -> None:
        if self._digest is not None:
            self._digest.update(data)
        self.bytes_read += len(data)

    def _append(self, data: bytes) -> bool:
        with self._changed:
            self._check()
            if self._closed:
                raise ValueError("the pipe is closed")
            if not self._has_room():
                self._news.clear()
                return False
            if data:
                self._chunks.append(data)
                self._held += len(data)
                self._tell()
            return True

    def _take(self, size: int) -> bytes | memoryview | None:
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._closed or self._error is not None)
            self._check()
            if not self._chunks:
                return None
            piece = self._chunks.popleft()
            if 0 <= size < len(piece):
                view = memoryview(piece)
                self._chunks.appendleft(view[size:])
                piece = view[:size]
            was_full = not self._has_room()
            self._held -= len(piece)
            if was_full and self._has_room():
                self._tell()
            return piece

    def _has_room(self) -> bool:
        return self._held < self.bytes_max

    def _check(self) -> None:
        if self._error is not None:
            raise PipeBrokenError(f"the other side failed: {self._error}") from self._error

    def _tell(self) -> None:
        """Wake whoever waits, in the thread or on the loop."""
        self._changed.notify_all()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)
