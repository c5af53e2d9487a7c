"""Drinking from COPY in gulps, not in sips.

In: what the driver hands over, a few kilobytes at a time when we are faster than PostgreSQL. Out:
pieces of a quarter of a megabyte in a pipe. Waking a thread costs as much as rendering some rows.
"""

from __future__ import annotations

from shared.objects import BoundedPipe

GULP_BYTES = 256 * 1024


class Gulps:
    """For one COPY."""

    def __init__(self, pipe: BoundedPipe) -> None:
        self._pipe = pipe
        self._sips: list[bytes] = []
        self._held = 0

    async def take(self, data: bytes) -> None:
        """What the driver has. Raises `PipeBrokenError`."""
        self._sips.append(data)
        self._held += len(data)
        if self._held >= GULP_BYTES:
            await self._swallow()

    async def finish(self) -> None:
        """The end, and all of it was taken."""
        await self._swallow()
        self._pipe.close()

    async def _swallow(self) -> None:
        data = self._sips[0] if len(self._sips) == 1 else b"".join(self._sips)
        self._sips, self._held = [], 0
        await self._pipe.write(data)
