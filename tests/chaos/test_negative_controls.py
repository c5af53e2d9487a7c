"""Each mechanism taken out once: the checker must find the harm that it prevents.

The fault of each control is the one that its mechanism is there for, struck for certain.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from pydantic import SecretStr

from shared.contracts.recording import RecordItems
from shared.contracts.routes import RECORDS
from shared.messaging.connection import Broker
from shared.messaging.publisher import Publisher
from shared.settings import BrokerSettings
from tests.chaos import profile
from tests.chaos.checker import Harm
from tests.chaos.history import Outcome
from tests.chaos.shop import Shop, batch, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import FAST, System
from tests.chaos.test_messages_strange import confirming_channel, publish
from tests.chaos.test_store_failing import COMPLETE, MANY, WHOLE
from tests.waiting import until

pytestmark = pytest.mark.timeout(profile.SECONDS_MAX)
# What is stuck would be stuck for ever: so long is enough to say so.
STUCK_SECONDS = 6.0
MOMENT_SECONDS = 20.0
LEASE_SECONDS = float(FAST["TALLYPORT_REPORT_LEASE_SECONDS"])


@asynccontextmanager
async def sabotaged(system: System, owner: str, *sabotages: str) -> AsyncIterator[None]:
    """One process without the mechanism runs in the place of a service, while the body runs."""
    before = (system.gateway, system.recorder, system.aggregator, system.workers)
    for service in system.services:
        if service.name == owner:
            await service.stop()
    replaced = system.another(owner, f"{owner}-{'-'.join(sabotages)}", *sabotages)
    if owner == "report_worker":
        system.workers = [replaced]
    else:
        setattr(system, owner, replaced)
    try:
        await system.revive()
        yield
    finally:
        system.heal()
        await replaced.kill()
        system.gateway, system.recorder, system.aggregator, system.workers = before


@asynccontextmanager
async def control(
    system: System, owner: str, *sabotages: str, customers: int = 50
) -> AsyncIterator[tuple[Suite, Shop]]:
    """A suite without its mechanism, and a shop in it."""
    suite = Suite(f"without_{'_'.join(sabotages)}", system)
    async with (
        healing(system),
        sabotaged(system, owner, *sabotages),
        open_shop(system, suite.history, suite.dice, customers=customers) as shop,
    ):
        yield suite, shop


async def harms(suite: Suite, shop: Shop) -> set[Harm]:
    return (await suite.judge([shop], seconds=STUCK_SECONDS)).harms


async def _is_building(shop: Shop) -> None:
    async def probe() -> bool:
        async with shop.system.database.acquire() as connection:
            return bool(
                await connection.fetchval(
                    "SELECT count(*) FROM reports WHERE store_id = $1 AND status = 'building'",
                    shop.store_id,
                )
            )

    await until(probe, seconds=MOMENT_SECONDS, what="a build at work")


async def _ready(shop: Shop) -> None:
    async def probe() -> bool:
        return await shop.unfinished() == 0

    await until(probe, seconds=MOMENT_SECONDS, what="the reports to end")


async def _nothing_is_promised(shop: Shop) -> None:
    async def probe() -> bool:
        async with shop.system.database.acquire() as connection:
            return not await connection.fetchval(
                "SELECT count(*) FROM outbox WHERE store_id = $1", shop.store_id
            )

    await until(probe, seconds=MOMENT_SECONDS, what="an empty outbox")


@pytest.mark.slow
async def test_without_a_reaper_a_killed_worker_leaves_its_report_stuck(system: System) -> None:
    async with control(system, "report_worker", "no_reaper") as (suite, shop):
        (worker,) = system.workers
        await worker.arm("report.finish.before=kill")
        await shop.ask()
        await worker.ended()
        assert Harm.STUCK in await harms(suite, shop)


@pytest.mark.slow
async def test_without_a_fence_a_frozen_worker_publishes_a_second_time(system: System) -> None:
    async with control(system, "report_worker", "no_fence") as (suite, shop):
        (frozen,) = system.workers
        other = system.another("report_worker", "worker-beside", "no_fence")
        await frozen.arm("object.stat.after=hang:1,hit=1")
        await shop.ask()
        await frozen.passes("object.stat.after")
        frozen.freeze()
        await other.start()
        await other.ready()
        await _ready(shop)
        frozen.thaw()
        await asyncio.sleep(2 * LEASE_SECONDS)
        found = await harms(suite, shop)
        await other.kill()
        assert Harm.REGRESSED in found


@pytest.mark.slow
async def test_without_an_outbox_an_event_is_lost_with_the_broker(system: System) -> None:
    async with control(system, "report_worker", "no_outbox") as (suite, shop):
        (worker,) = system.workers
        await worker.arm("report.finish.before=hang:1,hit=1")
        await shop.ask()
        await _is_building(shop)
        system.broker_proxy.refuse()
        await _ready(shop)
        assert Harm.LOST in await harms(suite, shop)


@pytest.mark.slow
async def test_without_confirms_an_event_is_lost_with_the_connection(system: System) -> None:
    async with control(system, "report_worker", "no_confirms") as (suite, shop):
        (worker,) = system.workers
        await worker.arm("object.stat.before=hang:2,hit=1")
        await shop.ask()
        await worker.passes("object.stat.before")
        # The others' relays keep what they cannot publish; the sabotaged one forgets it.
        for service in (system.gateway, system.recorder, worker):
            await service.arm("message.publish.before=exception")
        await _ready(shop)
        await _nothing_is_promised(shop)
        await system.disarm()
        assert Harm.LOST in await harms(suite, shop)


@pytest.mark.slow
async def test_without_a_second_attempt_a_fault_of_the_store_fails_a_report(
    system: System,
) -> None:
    async with control(system, "report_worker", "no_second_attempt") as (suite, shop):
        system.store_proxy.trap(WHOLE, times=10)
        await shop.ask()
        await _ready(shop)
        assert Harm.FAILED in await harms(suite, shop)


@pytest.mark.slow
async def test_deaf_to_the_store_a_report_is_ready_without_its_object(system: System) -> None:
    async with control(system, "report_worker", "deaf_to_the_store", customers=MANY) as (
        suite,
        shop,
    ):
        system.store_proxy.trap(COMPLETE)
        await shop.ask()
        await _ready(shop)
        assert Harm.LOST in await harms(suite, shop)


@pytest.mark.slow
async def test_acknowledged_first_a_batch_is_lost_with_the_recorder(system: System) -> None:
    async with control(system, "recorder", "acknowledge_first") as (suite, shop):
        await system.recorder.arm("record.before=kill")
        await _publish_batch(suite, shop)
        await system.recorder.ended()
        assert Harm.LOST in await harms(suite, shop)


async def test_without_unique_keys_a_repeated_batch_is_there_twice(system: System) -> None:
    async with control(system, "recorder", "no_unique_key") as (suite, shop):
        await _publish_batch(suite, shop, times=2)
        assert Harm.DUPLICATED in await harms(suite, shop)


async def _publish_batch(suite: Suite, shop: Shop, *, times: int = 1) -> None:
    name = shop.key("message")
    cents = {f"{name}-{n}": n for n in range(5)}
    message = RecordItems.model_validate(
        {"store_id": shop.store_id, "register_id": shop.register_id, "items": batch(cents)}
    )
    settings = BrokerSettings(url=(SecretStr(suite.system.world.broker_url),))
    operation = suite.history.recorded(shop.register_id, cents)
    async with Broker.open(settings, "producer") as broker:
        for _ in range(times):
            await Publisher(broker).publish(message)
    operation.outcome = Outcome.OK


@pytest.mark.slow
async def test_with_folds_that_hold_nothing_the_sums_are_wrong(system: System) -> None:
    async with control(system, "recorder", "fold_nothing") as (suite, shop):
        await shop.record()

        async def folded() -> bool:
            async with system.database.acquire() as connection:
                return bool(
                    await connection.fetchval(
                        "SELECT count(*) FROM rollups WHERE store_id = $1 AND register_id = $2"
                        " AND synced_version > 0",
                        shop.store_id,
                        shop.register_id,
                    )
                )

        await until(folded, seconds=MOMENT_SECONDS, what="a fold")
        assert Harm.MISCOUNTED in await harms(suite, shop)


@pytest.mark.slow
async def test_without_idempotency_a_repeated_request_is_two_reports(system: System) -> None:
    async with control(system, "gateway", "no_idempotency") as (suite, shop):
        # Accepted, and its caller is not told: it asks again.
        await system.gateway.arm("report.accept.after=exception,hit=1")
        await shop.ask()
        assert Harm.DUPLICATED in await harms(suite, shop)


@pytest.mark.slow
async def test_without_removal_a_removed_report_is_there(system: System) -> None:
    async with control(system, "gateway", "no_removal") as (suite, shop):
        asked = await shop.ask()
        assert asked.report_id is not None
        await shop.cancel(asked.report_id)
        assert Harm.REGRESSED in await harms(suite, shop)


@pytest.mark.slow
async def test_without_dead_letters_nonsense_is_nowhere(system: System) -> None:
    async with control(system, "recorder", "no_dead_letters") as (suite, shop):
        async with confirming_channel(system) as channel:
            operation = suite.history.sent_nonsense(str(uuid4()))
            await publish(channel, RECORDS.name, b"{", message_id=operation.message_id)
            operation.outcome = Outcome.OK
        assert Harm.LOST in await harms(suite, shop)


@pytest.mark.slow
async def test_without_a_deadline_a_caller_hears_nothing_from_a_frozen_recorder(
    system: System,
) -> None:
    async with control(system, "gateway", "no_deadline") as (suite, shop):
        system.recorder.freeze()
        await shop.record(persist=False)
        system.recorder.thaw()
        assert await harms(suite, shop) == {Harm.LATE}


@pytest.mark.slow
async def test_with_a_deadline_a_frozen_recorder_is_no_harm(system: System) -> None:
    """The other side of it: the same, with everything in its place."""
    suite = Suite("recorder_frozen", system)
    async with healing(system), open_shop(system, suite.history, suite.dice, customers=1) as shop:
        system.recorder.freeze()
        await shop.record(persist=False)
        system.recorder.thaw()
        assert await harms(suite, shop) == set()
