"""`/readyz` of the four processes says what keeps each from working, and that it works again.

What is broken is the engine as the process sees it (a proxy before it), or the queue in the broker.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aio_pika
import pytest

from devstack import broker_users
from devstack.errors import EngineError
from shared.contracts.routes import BUILD_SMALL, QUESTIONS, RECORDS, Queue, QueueType
from tests.chaos.services import Service
from tests.chaos.system import System
from tests.engines import ROOT
from tests.waiting import until

SECONDS = 30.0
GOLDEN = ROOT / "tests" / "contracts" / "golden"
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def well(system: System) -> AsyncIterator[System]:
    """All four are ready before and after."""
    await system.revive()
    yield system
    system.heal()
    await system.revive()


async def problems(service: Service) -> dict[str, str]:
    """What it says that is wrong; empty when it is ready."""
    status, text = await service.page("/readyz")
    assert status in (200, 503), service.tail()
    found = json.loads(text)
    assert found["ready"] is (status == 200)
    assert (await service.page("/healthz"))[0] == 200, "not ready is no reason to be restarted"
    told: dict[str, str] = found.get("problems", {})
    return told


async def says(service: Service, name: str, words: str = "") -> dict[str, str]:
    """Wait until it names this problem."""

    async def probe() -> dict[str, str] | None:
        told = await problems(service)
        return told if words in told.get(name, "") and name in told else None

    return await until(probe, seconds=SECONDS, what=f"{service.label} to name {name}: {words}")


def of_queue(system: System, queue: Queue) -> Service:
    return {
        QUESTIONS.name: system.aggregator,
        RECORDS.name: system.recorder,
        BUILD_SMALL.name: system.workers[0],
    }[queue.name]


@pytest.mark.parametrize("queue", [QUESTIONS, RECORDS, BUILD_SMALL], ids=lambda one: one.name)
async def test_a_process_whose_queue_is_gone_is_not_ready_until_it_is_declared_again(
    well: System, queue: Queue
) -> None:
    """It may not do that itself: whoever deploys does, here as there."""
    service = of_queue(well, queue)
    registered = f'tallyport_consumer_registered{{queue="{queue.name}"}}'
    assert f"{registered} 1.0" in (await service.page("/metrics"))[1]
    connection = await aio_pika.connect(well.world.broker_url)
    async with connection:
        await (await connection.channel()).queue_delete(queue.name)
        told = await says(service, "broker", f"queue {queue.name} does not exist")
        assert set(told) == {"broker"}
        assert "import the definitions" in told["broker"]
        assert f"{registered} 0.0" in (await service.page("/metrics"))[1]
        await broker_users.declare(well.world.broker_url)
        await service.ready()
        # The broker says so, too.
        declared = await (await connection.channel()).declare_queue(queue.name, passive=True)
        assert (declared.declaration_result.consumer_count or 0) >= 1
    assert f"{registered} 1.0" in (await service.page("/metrics"))[1]


@pytest.mark.parametrize("queue", [QUESTIONS, BUILD_SMALL], ids=lambda one: one.name)
async def test_who_deploys_is_told_of_a_queue_with_other_properties(
    well: System, queue: Queue
) -> None:
    connection = await aio_pika.connect(well.world.broker_url)
    async with connection:
        await _take_the_name(connection, queue)
        with pytest.raises(EngineError, match=f"{queue.name} exists with other properties"):
            await broker_users.declare(well.world.broker_url)
        await (await connection.channel()).queue_delete(queue.name)
        await broker_users.declare(well.world.broker_url)
    await of_queue(well, queue).ready()


async def _take_the_name(connection: aio_pika.abc.AbstractConnection, queue: Queue) -> None:
    """Delete the queue, and have one of another type in its place."""
    channel = await connection.channel()
    await channel.queue_delete(queue.name)
    other = "quorum" if queue.type is QueueType.CLASSIC else "classic"
    await channel.declare_queue(queue.name, durable=True, arguments={"x-queue-type": other})


async def test_nobody_is_ready_without_the_broker(well: System) -> None:
    well.broker_proxy.refuse()
    for service in well.services:
        told = await says(service, "broker", "no connection to the broker")
        assert set(told) == {"broker"}
    well.broker_proxy.heal()
    for service in well.services:
        await service.ready()


@pytest.mark.parametrize("fault", ["refuse", "silence"])
async def test_nobody_is_ready_without_the_database(well: System, fault: str) -> None:
    getattr(well.database_proxy, fault)()
    for service in well.services:
        assert set(await says(service, "database")) == {"database"}
        began = time.monotonic()
        await problems(service)
        assert time.monotonic() - began < 4, "each check has two seconds"
    well.database_proxy.heal()
    for service in well.services:
        await service.ready()


async def test_only_report_workers_need_the_object_store_to_be_there(well: System) -> None:
    well.store_proxy.refuse()
    assert set(await says(well.workers[0], "object_store")) == {"object_store"}
    for service in (well.gateway, well.aggregator, well.recorder):
        assert await problems(service) == {}
    well.store_proxy.heal()
    await well.workers[0].ready()


@pytest.mark.parametrize(
    ("kind", "queue"),
    [
        ("aggregate.query.v1", QUESTIONS),
        ("record.items.v1", RECORDS),
        ("report.build.v1", BUILD_SMALL),
    ],
)
async def test_a_worker_that_drains_is_not_ready_until_its_work_is_done(
    well: System, kind: str, queue: Queue
) -> None:
    service = of_queue(well, queue)
    message = json.loads((GOLDEN / f"{kind}.json").read_text())
    if "deadline" in message:
        message["deadline"] = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
    in_hand = f'tallyport_messages_in_hand{{queue="{queue.name}"}} 1.0'

    async def has_it() -> bool:
        return in_hand in (await service.page("/metrics"))[1]

    connection = await aio_pika.connect(well.world.broker_url)
    async with connection:
        channel = await connection.channel()
        answers = await channel.declare_queue(exclusive=True)
        # What it has in hand stays in hand: the database says nothing.
        well.database_proxy.silence()
        exchange = await channel.get_exchange(queue.exchange, ensure=False)
        await exchange.publish(
            aio_pika.Message(
                json.dumps(message).encode(),
                content_type="application/json",
                type=kind,
                reply_to=answers.name,
                correlation_id="1",
            ),
            queue.name,
        )
        await until(has_it, seconds=SECONDS, what="the message to be in hand")
        service._signal(signal.SIGTERM)
        told = await says(service, "process")
        assert told == {"process": "shutting down"}
        well.database_proxy.speak()
        assert await asyncio.wait_for(service.ended(), SECONDS) == 0


async def test_a_gateway_that_leaves_tells_balancers_before_it_is_gone(well: System) -> None:
    well.gateway._signal(signal.SIGTERM)
    assert await says(well.gateway, "process") == {"process": "shutting down"}
    # It still works for those who have not noticed.
    assert (await well.gateway.page("/openapi.json"))[0] == 200
    assert await asyncio.wait_for(well.gateway.ended(), SECONDS) == 0
