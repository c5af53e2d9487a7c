"""The broker's node restarted, killed and out of memory, its connections closed by an operator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from devstack.rabbitmq import RabbitMQ
from tests.chaos import profile
from tests.chaos.observing import WORK
from tests.chaos.shop import busy, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import System, ready_counts
from tests.waiting import until

pytestmark = pytest.mark.timeout(profile.SECONDS_MAX)
BACK_SECONDS = 60


def _application(rabbit: RabbitMQ) -> None:
    rabbit.stop_app()
    rabbit.start_app()


def _node(rabbit: RabbitMQ) -> None:
    rabbit.restart()


def _power_cut(rabbit: RabbitMQ) -> None:
    rabbit.kill()
    rabbit.start()


def _memory_alarm(rabbit: RabbitMQ) -> None:
    rabbit.evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.00001)")


def _memory_again(rabbit: RabbitMQ) -> None:
    rabbit.evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.4)")


def _close_connections(rabbit: RabbitMQ) -> None:
    rabbit.evaluate(
        '[rabbit_networking:close_connection(P, "closed by the tests")'
        " || P <- rabbit_networking:connections()], ok"
    )


RESTARTS: dict[str, Callable[[RabbitMQ], None]] = {
    "application restarted": _application,
    "node restarted": _node,
    "node killed": _power_cut,
}


async def test_broker_restarted_loses_nothing(system: System) -> None:
    suite = Suite("broker_restarted", system)
    rabbit = system.engines.rabbitmq

    async def back() -> bool:
        try:
            return bool(await ready_counts(system.world.broker_url, WORK))
        except (OSError, RuntimeError):
            return False

    async with healing(system), open_shop(system, suite.history, suite.dice) as shop:
        async with busy(shop):
            for number in range(profile.rounds(short=1, long=50)):
                await asyncio.sleep(suite.dice.uniform(0, 1))
                # The quickest first: it is the one of a short run.
                name = [*RESTARTS][number % 5 % 3]
                await asyncio.to_thread(RESTARTS[name], rabbit)
                suite.faults[name] += 1
                suite.rounds += 1
                await until(back, seconds=BACK_SECONDS, what="the queues")
        verdict = await suite.judge([shop])
    verdict.require_no_harm()


async def test_broker_alarmed_loses_nothing(system: System) -> None:
    suite = Suite("broker_alarmed", system)
    rabbit = system.engines.rabbitmq
    async with healing(system), open_shop(system, suite.history, suite.dice) as shop:
        try:
            async with busy(shop):
                for number in range(profile.rounds(short=2, long=60)):
                    await asyncio.sleep(suite.dice.uniform(0, 0.5))
                    if number % 3:
                        await asyncio.to_thread(_close_connections, rabbit)
                        suite.faults["all connections closed"] += 1
                    else:
                        await asyncio.to_thread(_memory_alarm, rabbit)
                        await asyncio.sleep(suite.dice.uniform(0.5, 5))
                        await asyncio.to_thread(_memory_again, rabbit)
                        suite.faults["memory alarm"] += 1
                    suite.rounds += 1
        finally:
            await asyncio.to_thread(_memory_again, rabbit)
        verdict = await suite.judge([shop])
    verdict.require_no_harm()
