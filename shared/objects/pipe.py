"""Bytes on their way from async code to a thread: bounded, counted, hashed.

Comes in: `write` from the event loop (or `put` from a thread), then `close`, or `fail`. Goes out:
`read` in the thread that takes them. A failure on either side reaches the other as an exception:
b"" means the end and nothing else, because an uploader takes it for the end of a whole object
(measured).
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

    def __init__(self, *, bytes_max: int = PIPE_BYTES) -> None:
        self.bytes_max = bytes_max
        self.bytes_read = 0
        self._digest = hashlib.sha256()
        self._chunks: deque[memoryview] = deque()
        self._held = 0
        self._closed = False
        self._drained = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    @property
    def sha256(self) -> str:
        """Of what has been read so far, in hexadecimal."""
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

    async def exceeds(self, size: int) -> bool:
        """Wait until more than `size` bytes are held (True) or all were written and they are not
        more (False). `size` must be less than `bytes_max`, or a full pipe would wait for ever."""
        if size >= self.bytes_max:
            raise ValueError("a pipe cannot hold more than its limit")
        while True:
            with self._changed:
                self._check()
                if self._held > size or self._closed:
                    return self._held > size
                self._news.clear()
            await self._news.wait()

    async def drained(self) -> None:
        """Wait until the reader has seen the end: from then on `bytes_read` and `sha256` are those
        of everything. Raises `PipeBrokenError` when the reader failed."""
        while True:
            with self._changed:
                self._check()
                if self._drained:
                    return
                self._news.clear()
            await self._news.wait()

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes, fewer only at the end (negative: all). Raises `PipeBrokenError`.

        It returns whole parts because the minio client joins what it gets by `+=`, which is
        quadratic in the number of pieces.
        """
        pieces: list[memoryview] = []
        wanted = size
        while wanted != 0:
            piece = self._take(wanted)
            if piece is None:
                break
            pieces.append(piece)
            wanted -= len(piece)
        data = b"".join(pieces)
        self._account(data, at_end=wanted != 0)
        return data

    def read_chunk(self) -> bytes:
        """What is there, as it was written; b"" at the end."""
        piece = self._take(-1)
        data = b"" if piece is None else bytes(piece)
        self._account(data, at_end=piece is None)
        return data

    def _account(self, data: bytes, *, at_end: bool) -> None:
        self._digest.update(data)
        self.bytes_read += len(data)
        if at_end:
            with self._changed:
                self._drained = True
                self._tell()

    def _append(self, data: bytes) -> bool:
        with self._changed:
            self._check()
            if self._closed:
                raise ValueError("the pipe is closed")
            if not self._has_room():
                self._news.clear()
                return False
            if data:
                self._chunks.append(memoryview(data))
                self._held += len(data)
                self._tell()
            return True

    def _take(self, size: int) -> memoryview | None:
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._closed or self._error is not None)
            self._check()
            if not self._chunks:
                return None
            piece = self._chunks.popleft()
            if 0 <= size < len(piece):
                self._chunks.appendleft(piece[size:])
                piece = piece[:size]
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
