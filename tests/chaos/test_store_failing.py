"""The object store down, slow, and failing at each step of an upload, the last one above all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.chaos import profile
from tests.chaos.proxy import Proxy, Trap
from tests.chaos.shop import Shop, busy, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import System
from tests.waiting import until

pytestmark = pytest.mark.timeout(profile.SECONDS_MAX)
# More than fits in one part of an upload (5 MiB), packed.
MANY = 30_000
BEGIN, PART, COMPLETE = rb"POST [^ ]*uploads", rb"PUT [^ ]*partNumber", rb"POST [^ ]*uploadId"
WHOLE, LOOK, REMOVE = rb"PUT /", rb"HEAD [^ ]*attempt", rb"DELETE /"
TRAP_SECONDS = 20


async def _springs(shop: Shop, trap: Trap) -> None:
    """Ask for reports until one has met the trap."""

    async def sprung() -> bool:
        return trap.sprung > 0

    asked = asyncio.create_task(shop.ask())
    await until(sprung, seconds=TRAP_SECONDS, what=f"{trap.pattern!r} to spring")
    await asked


def _at(pattern: bytes, *, after: bool) -> Callable[[Proxy, Shop, float], Awaitable[None]]:
    async def strike(proxy: Proxy, shop: Shop, _: float) -> None:
        await _springs(shop, proxy.trap(pattern, after=after))

    return strike


async def _down(proxy: Proxy, shop: Shop, seconds: float) -> None:
    asked = asyncio.create_task(shop.ask())
    proxy.refuse()
    await asyncio.sleep(seconds)
    proxy.accept()
    await asked


async def _slow(proxy: Proxy, shop: Shop, seconds: float) -> None:
    asked = asyncio.create_task(shop.ask())
    proxy.delay_seconds, proxy.bytes_per_second = 0.1, 1_000_000
    await asyncio.sleep(seconds)
    proxy.delay_seconds, proxy.bytes_per_second = 0.0, None
    await asked


async def _silent(proxy: Proxy, shop: Shop, seconds: float) -> None:
    asked = asyncio.create_task(shop.ask())
    proxy.silence()
    await asyncio.sleep(seconds + 2)
    proxy.speak()
    await asked


FAULTS = {
    "down": _down,
    "slow": _slow,
    "silent": _silent,
    "lost before a small object": _at(WHOLE, after=False),
    "lost after a small object": _at(WHOLE, after=True),
    "lost before beginning": _at(BEGIN, after=False),
    "lost before a part": _at(PART, after=False),
    "lost after a part": _at(PART, after=True),
    "lost before completing": _at(COMPLETE, after=False),
    "lost after completing": _at(COMPLETE, after=True),
    "lost before looking": _at(LOOK, after=False),
}
OF_SMALL = {"lost before a small object", "lost after a small object"}


async def test_store_failing_publishes_nothing_that_is_not_whole(system: System) -> None:
    suite = Suite("store_failing", system)
    async with (
        healing(system),
        open_shop(system, suite.history, suite.dice) as small,
        open_shop(system, suite.history, suite.dice, customers=MANY) as large,
    ):
        names = [*FAULTS]
        async with busy(small):
            for number in range(profile.rounds(short=2, long=66)):
                if number % len(names) == 0:
                    suite.dice.shuffle(names)
                    # The last step in any case, however short the run.
                    names.sort(key=lambda name: "completing" not in name)
                name = names[number % len(names)]
                shop = small if name in OF_SMALL else large
                await FAULTS[name](system.store_proxy, shop, suite.dice.uniform(0.3, 2))
                suite.faults[name] += 1
                suite.rounds += 1
        verdict = await suite.judge([small, large])
    verdict.require_no_harm()
