"""Drinking from COPY in gulps, not in sips.

In: what the driver hands over, a few kilobytes at a time when we are faster than PostgreSQL. Out:
pieces of a quarter of a megabyte in a pipe. Waking a thread costs as much as rendering some rows,
and each sip costs a round through the event loop, a task and a timer in the driver. So after a sip
we wait for the kernel to gather more; the driver reads nothing meanwhile. That saves a sixth of our
processor time and costs no time: the kernel holds far more than what comes in these milliseconds,
so PostgreSQL never waits for us.
"""

from __future__ import annotations

import asyncio

from shared.objects import BoundedPipe

GULP_BYTES = 256 * 1024
_SIP_BYTES = 128 * 1024
_GATHERING_SECONDS = 0.002


class Gulps:
    """For one COPY."""

    def __init__(self, pipe: BoundedPipe) -> None:
        self._pipe = pipe
        self._sips: list[bytes] = []
        self._held = 0
        self._is_long = False  # of a short one every millisecond counts

    async def take(self, data: bytes) -> None:
        """What the driver has. Raises `PipeBrokenError`."""
        self._sips.append(data)
        self._held += len(data)
        if self._held >= GULP_BYTES:
            await self._swallow()
            self._is_long = True
        elif self._is_long and len(data) < _SIP_BYTES:
            await asyncio.sleep(_GATHERING_SECONDS)

    async def finish(self) -> None:
        """The end, and all of it was taken."""
        await self._swallow()
        self._pipe.close()

    async def _swallow(self) -> None:
        data = self._sips[0] if len(self._sips) == 1 else b"".join(self._sips)
        self._sips, self._held = [], 0
        await self._pipe.write(data)
