"""Workers killed (SIGKILL) and frozen (SIGSTOP) past their lease, at random moments."""

from __future__ import annotations

import asyncio

import pytest

from tests.chaos import profile
from tests.chaos.shop import busy, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import FAST, System

pytestmark = pytest.mark.timeout(profile.SECONDS_MAX)
LEASE_SECONDS = float(FAST["TALLYPORT_REPORT_LEASE_SECONDS"])


async def test_workers_killed_lose_nothing(system: System) -> None:
    suite = Suite("workers_killed", system)
    async with healing(system), open_shop(system, suite.history, suite.dice) as shop:
        async with busy(shop):
            for _ in range(profile.rounds(short=2, long=200)):
                victim = suite.dice.choice(system.workers)
                await victim.ready()
                await asyncio.sleep(suite.dice.uniform(0, 0.6))
                await victim.kill()
                suite.faults["worker killed"] += 1
                suite.rounds += 1
                await victim.start()
        verdict = await suite.judge([shop])
    verdict.require_no_harm()


async def test_workers_frozen_past_their_lease_finish_nothing_late(system: System) -> None:
    suite = Suite("workers_frozen", system)
    async with healing(system), open_shop(system, suite.history, suite.dice) as shop:
        async with busy(shop):
            for _ in range(profile.rounds(short=1, long=30)):
                victim = suite.dice.choice(system.workers)
                await victim.ready()
                await asyncio.sleep(suite.dice.uniform(0, 0.5))
                victim.freeze()
                await asyncio.sleep(LEASE_SECONDS + suite.dice.uniform(0.3, 1.5))
                victim.thaw()
                suite.faults["worker frozen"] += 1
                suite.rounds += 1
        verdict = await suite.judge([shop])
    verdict.require_no_harm()
