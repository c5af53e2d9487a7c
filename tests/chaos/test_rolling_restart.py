"""Every process replaced under load, one after the other, as a new version is rolled out."""

from __future__ import annotations

import pytest

from tests.chaos import profile
from tests.chaos.shop import busy, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(profile.SECONDS_MAX)]


async def test_rolling_restart_loses_nothing_and_ends_each_process_in_order(
    system: System,
) -> None:
    suite = Suite("rolling_restart", system)
    async with healing(system), open_shop(system, suite.history, suite.dice) as shop:
        async with busy(shop):
            for _ in range(profile.rounds(short=1, long=20)):
                for service in system.services:
                    assert await service.stop() == 0, f"{service.label}: {service.tail()}"
                    await service.start()
                    await service.ready()
                    suite.faults[f"{service.name} replaced"] += 1
                suite.rounds += 1
        verdict = await suite.judge([shop])
    verdict.require_no_harm()
