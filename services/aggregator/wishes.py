"""Tell the recorder which rollups questions would have liked.

Comes in: a wish with each expensive answer. Goes out: `rollup.request.v1`, at most one for the same
wish in a while, with how often it was made. Losing one costs speed only, so nobody waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import structlog

from services.aggregator.planner import Wish
from shared.contracts.rollups import RollupRequest
from shared.errors import TallyportError
from shared.messaging.publisher import Publisher

_log = structlog.get_logger(__name__)

_Key = tuple[int, int, Wish]
REST_SECONDS = 1.0
WISHES_MAX = 1_000


class Wishes:
    """One for the process. `run()` until cancelled."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._made: Counter[_Key] = Counter()
        self._some = asyncio.Event()

    def note(self, store_id: int, register_id: int, wish: Wish) -> None:
        """A question made this wish."""
        key = (store_id, register_id, wish)
        if key in self._made or len(self._made) < WISHES_MAX:
            self._made[key] += 1
            self._some.set()

    async def run(self) -> None:
        """Send what has gathered, then rest."""
        while True:
            await self._some.wait()
            self._some.clear()
            made, self._made = self._made, Counter()
            for key, times in made.items():
                await self._send(key, times)
            await asyncio.sleep(REST_SECONDS)

    async def _send(self, key: _Key, times: int) -> None:
        store_id, register_id, wish = key
        began = time.monotonic()
        try:
            await self._publisher.publish(
                RollupRequest(
                    store_id=store_id,
                    register_id=register_id,
                    zone=wish.grid.zone,
                    columns=wish.columns,
                    times=times,
                )
            )
        except TallyportError as error:
            _log.info("rollup.not_requested", reason=error.message)
            return
        _log.info(
            "rollup.requested",
            register_id=register_id,
            columns=wish.columns,
            times=times,
            milliseconds=round((time.monotonic() - began) * 1_000, 1),
        )
