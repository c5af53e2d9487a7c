"""How many bytes of records are on their way to the recorder at once, of all uploads together.

Comes in: a batch that wants to leave. Goes out: its turn, in the order they came. An upload that
waits is not read from, so that its sender waits too, and memory does not grow with their number.
"""

from __future__ import annotations

import asyncio
from collections import deque

from shared.errors import OverloadedError

RETRY_AFTER_SECONDS = 2.0


class UploadRoom:
    """Room for `bytes_max`; a batch that is larger than all of it goes alone."""

    def __init__(self, bytes_max: int) -> None:
        self.free = bytes_max
        self._bytes_max = bytes_max
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size_bytes: int, *, seconds: float) -> int:
        """Wait for room; how much was taken, to be given back. Raises OverloadedError."""
        size = min(size_bytes, self._bytes_max)
        if not self._waiting and size <= self.free:
            self.free -= size
            return size
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give(size)  # it came in the moment in which we stopped waiting
            else:
                self._waiting.remove((size, turn))
                self._admit()
            if isinstance(error, TimeoutError):
                raise OverloadedError(
                    "too much is being recorded at once", retry_after_seconds=RETRY_AFTER_SECONDS
                ) from None
            raise
        return size

    def give(self, size_bytes: int) -> None:
        """Give back what `take` took."""
        self.free += size_bytes
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.free:
            size, turn = self._waiting.popleft()
            self.free -= size
            turn.set_result(None)
