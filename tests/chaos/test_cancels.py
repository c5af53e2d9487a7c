"""Reports removed at random moments of their lives: waiting, building, uploading, ready."""

from __future__ import annotations

import asyncio

import pytest

from tests.chaos import profile
from tests.chaos.history import Outcome
from tests.chaos.shop import Shop, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import System

pytestmark = pytest.mark.timeout(profile.SECONDS_MAX)
CLIENTS = 8


async def _change_ones_mind(suite: Suite, shop: Shop, times: int) -> None:
    for _ in range(times):
        asked = await shop.ask()
        if asked.outcome is not Outcome.OK or asked.report_id is None:
            continue
        # Mostly while it is built; now and then at once, or when it is ready.
        await asyncio.sleep(suite.dice.choice((0, suite.dice.uniform(0, 0.3), 0.6)))
        if suite.dice.random() < 0.9:
            await shop.cancel(asked.report_id)
            suite.faults["report removed"] += 1


async def test_cancels_are_final_and_leave_nothing(system: System) -> None:
    suite = Suite("cancels", system)
    suite.rounds = profile.rounds(short=40, long=1_200)
    async with healing(system), open_shop(system, suite.history, suite.dice) as shop:
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(_change_ones_mind(suite, shop, suite.rounds // CLIENTS))
        verdict = await suite.judge([shop])
    verdict.require_no_harm()
