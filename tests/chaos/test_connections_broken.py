"""Connections cut, reset, half closed, slowed down and silenced, to each of the three engines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.chaos import profile
from tests.chaos.proxy import Proxy
from tests.chaos.shop import busy, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import System

pytestmark = pytest.mark.timeout(profile.SECONDS_MAX)


async def _cut(proxy: Proxy, _: float) -> None:
    proxy.cut()


async def _reset(proxy: Proxy, _: float) -> None:
    proxy.reset()


async def _half_close(proxy: Proxy, seconds: float) -> None:
    proxy.half_close()
    await asyncio.sleep(seconds)
    proxy.reset()


async def _refuse(proxy: Proxy, seconds: float) -> None:
    proxy.refuse()
    await asyncio.sleep(seconds)
    proxy.accept()


async def _silence(proxy: Proxy, seconds: float) -> None:
    # Now and then longer than a heartbeat, a statement or a request may be silent.
    proxy.silence()
    await asyncio.sleep(seconds * 3)
    proxy.speak()


async def _slow(proxy: Proxy, seconds: float) -> None:
    proxy.delay_seconds, proxy.bytes_per_second = 0.05, 200_000
    await asyncio.sleep(seconds * 2)
    proxy.delay_seconds, proxy.bytes_per_second = 0.0, None


FAULTS: dict[str, Callable[[Proxy, float], Awaitable[None]]] = {
    "cut": _cut,
    "reset": _reset,
    "half closed": _half_close,
    "refused": _refuse,
    "silenced": _silence,
    "slowed down": _slow,
}


async def test_connections_broken_lose_nothing(system: System) -> None:
    suite = Suite("connections_broken", system)
    proxies = {
        "database": system.database_proxy,
        "broker": system.broker_proxy,
        "object store": system.store_proxy,
    }
    pairs = [(engine, fault) for fault in FAULTS for engine in proxies]
    async with healing(system), open_shop(system, suite.history, suite.dice) as shop:
        async with busy(shop):
            for number in range(profile.rounds(short=4, long=160)):
                if number % len(pairs) == 0:
                    suite.dice.shuffle(pairs)
                engine, fault = pairs[number % len(pairs)]
                await asyncio.sleep(suite.dice.uniform(0, 0.5))
                await FAULTS[fault](proxies[engine], suite.dice.uniform(0.1, 1.2))
                suite.faults[f"{engine} {fault}"] += 1
                suite.rounds += 1
        verdict = await suite.judge([shop])
    verdict.require_no_harm()
