"""PostgreSQL restarted and killed while a report is being copied out of it."""

from __future__ import annotations

import asyncio

import pytest

from devstack.postgres import Postgres
from shared.database.pool import PASSING_ERRORS
from tests.chaos import profile
from tests.chaos.shop import Shop, busy, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import System
from tests.waiting import until

pytestmark = pytest.mark.timeout(profile.SECONDS_MAX)
# 16 MB of rows: more than the sockets on the way can hold (4 MB, when PostgreSQL's has grown), so
# that a COPY does have to wait; few enough that it is done between two restarts.
MANY = 60_000
COPYING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND state = 'active' AND query LIKE 'COPY%'
   AND application_name = 'report_worker source' AND wait_event = 'ClientWrite'
"""
SLOW_BYTES_PER_SECOND = 2_000_000
COPY_SECONDS = 30
# Of large reports: one is met in its middle, and another if that is retried a little later. More
# would only have to be built at the end.
UNFINISHED_MAX = 2


def _kill(postgres: Postgres) -> None:
    postgres.kill()
    postgres.start()


async def test_database_restarted_in_the_middle_of_a_copy_loses_nothing(system: System) -> None:
    suite = Suite("database_restarted", system)
    postgres = system.engines.postgres
    async with (
        healing(system),
        open_shop(system, suite.history, suite.dice) as small,
        open_shop(system, suite.history, suite.dice, customers=MANY) as large,
    ):
        async with busy(small):
            for number in range(profile.rounds(short=1, long=50)):
                # So slow that a COPY is met in its middle for certain.
                system.database_proxy.bytes_per_second = SLOW_BYTES_PER_SECOND
                asked = []
                if await large.unfinished() < UNFINISHED_MAX:
                    asked = [asyncio.create_task(large.ask())]
                await until(lambda: _is_copying(large), seconds=COPY_SECONDS, what="a COPY at work")
                system.database_proxy.bytes_per_second = None
                if number % 2:
                    await asyncio.to_thread(_kill, postgres)
                    suite.faults["killed in the middle of a COPY"] += 1
                else:
                    await asyncio.to_thread(postgres.restart)
                    suite.faults["restarted in the middle of a COPY"] += 1
                suite.rounds += 1
                await asyncio.gather(*asked)
        verdict = await suite.judge([small, large])
    verdict.require_no_harm()


async def _is_copying(shop: Shop) -> bool:
    try:
        async with shop.system.database.acquire() as connection:
            return bool(await connection.fetchval(COPYING))
    except PASSING_ERRORS:
        return False
