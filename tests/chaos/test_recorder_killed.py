"""The recorder killed in the middle of batches, of callers and of producers on the queue."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from devstack import broker_users
from shared.contracts.recording import RecordItems
from shared.errors import UnavailableError
from shared.messaging.connection import Broker
from shared.messaging.publisher import Publisher
from shared.settings import BrokerSettings
from tests.chaos import profile
from tests.chaos.history import Outcome
from tests.chaos.shop import BATCH_ITEMS, PACE_SECONDS, Shop, batch, busy, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import System

pytestmark = pytest.mark.timeout(profile.SECONDS_MAX)


async def keep_publishing(
    suite: Suite, shop: Shop, publisher: Publisher, is_over: asyncio.Event
) -> None:
    """A producer on the queue: what the broker has confirmed must be recorded."""
    while not is_over.is_set():
        name = shop.key("message")
        cents = {f"{name}-{n:05}": shop.dice.randint(-10_000, 10_000) for n in range(BATCH_ITEMS)}
        operation = suite.history.recorded(shop.register_id, cents)
        message = RecordItems.model_validate(
            {
                "store_id": shop.store_id,
                "register_id": shop.register_id,
                "items": batch(cents),
            }
        )
        try:
            await publisher.publish(message)
            operation.outcome = Outcome.OK
        except UnavailableError:
            pass  # it may have arrived all the same
        await asyncio.sleep(shop.dice.uniform(*PACE_SECONDS))


async def test_recorder_killed_in_the_middle_of_a_batch_records_each_item_once(
    system: System,
) -> None:
    suite = Suite("recorder_killed", system)
    address = broker_users.url_of(system.environment["TALLYPORT_BROKER_URL"], "producer")
    settings = BrokerSettings(url=(SecretStr(address),))
    async with (
        healing(system),
        open_shop(system, suite.history, suite.dice) as shop,
        Broker.open(settings, "producer") as broker,
    ):
        is_over = asyncio.Event()
        producing = asyncio.create_task(keep_publishing(suite, shop, Publisher(broker), is_over))
        async with busy(shop, clients=3):
            for number in range(profile.rounds(short=2, long=60)):
                # With the batch written and not committed, committed and not told, or whenever.
                point = ("record.before", "record.after", None)[number % 3]
                if point is None:
                    await asyncio.sleep(suite.dice.uniform(0, 0.5))
                    await system.recorder.kill()
                    suite.faults["recorder killed at random"] += 1
                else:
                    await system.recorder.arm(f"{point}=kill,hit={suite.dice.randint(1, 5)}")
                    assert await system.recorder.ended() == -9
                    suite.faults[f"recorder killed at {point}"] += 1
                suite.rounds += 1
                await system.recorder.start()
                await system.recorder.ready()
        is_over.set()
        await producing
        verdict = await suite.judge([shop])
    verdict.require_no_harm()
