"""The pieces of one file, on their way from the connections that read them to the thread that
writes them out.

Comes in: pipes, in the order of the file, each filled by whichever connection took that piece. Goes
out: their bytes, one piece after the other. Few pieces are on the way at once, so that what was
read too early stays bounded; an error on either side reaches the other as an exception.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator

from shared.objects import BoundedPipe, PipeBrokenError

# A piece is made to fit: the connection that reads it is then free for the next one.
PIECE_BYTES = 6 * 1024 * 1024


class Room:
    """How many pieces of all files together may be on the way. Make it on the event loop."""

    def __init__(self, pieces_max: int) -> None:
        self._free = asyncio.Semaphore(pieces_max)
        self._loop = asyncio.get_running_loop()

    async def take(self) -> None:
        """Wait until another piece may be read."""
        await self._free.acquire()

    def give_back(self) -> None:
        """From the thread: a piece has been taken up to its end."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._free.release)


class FilePieces:
    """One file's. `rows` counts what went out; the thread keeps it up to date."""

    def __init__(self, room: Room) -> None:
        self.rows = 0
        self._room = room
        self._waiting: deque[BoundedPipe] = deque()
        self._current: BoundedPipe | None = None
        self._is_complete = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def add(self) -> BoundedPipe:
        """The pipe of the next piece."""
        pipe = BoundedPipe(bytes_max=PIECE_BYTES, is_hashed=False)
        with self._changed:
            if self._error is not None:
                raise PipeBrokenError(f"the other side failed: {self._error}") from self._error
            self._waiting.append(pipe)
            self._changed.notify_all()
        return pipe

    def complete(self) -> None:
        """No further piece will come."""
        with self._changed:
            self._is_complete = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Make both sides raise. The first failure counts."""
        with self._changed:
            self._error = self._error or error
            for pipe in (*self._waiting, *([self._current] if self._current else [])):
                pipe.fail(error)
            self._changed.notify_all()

    def chunks(self) -> Iterator[bytes]:
        """In the thread: all bytes of the file as they were read. Raises `PipeBrokenError`."""
        while (pipe := self._next()) is not None:
            while chunk := pipe.read_chunk():
                yield chunk
            self._room.give_back()

    def _next(self) -> BoundedPipe | None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting or self._is_complete or self._error is not None
            )
            if self._error is not None:
                raise PipeBrokenError(f"the other side failed: {self._error}") from self._error
            self._current = self._waiting.popleft() if self._waiting else None
            return self._current
