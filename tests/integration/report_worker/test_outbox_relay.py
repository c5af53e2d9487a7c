"""The relay publishes what was promised, all of it, whatever happens in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from devstack.rabbitmq import RabbitMQ
from shared.contracts.reports import ReportBuild, ReportReady
from shared.contracts.routes import BUILD_LARGE, BUILDS, COMMANDS, QueueType, Service
from shared.contracts.routes import Queue as Route
from shared.database import outbox
from shared.database.pool import Database
from shared.messaging.connection import Broker
from shared.messaging.publisher import Publisher
from shared.relay import Relay
from shared.settings import BrokerSettings
from tests.integration.report_worker.seeding import World
from tests.listening import listening
from tests.waiting import until


@pytest.fixture
def relay(database: Database, broker: Broker) -> Relay:
    return Relay(database, Publisher(broker))


def test_queue(name: str) -> Route:
    return Route(f"test.relay.{name}", QueueType.QUORUM, Service.REPORT_WORKER, 1, 1024)


test_queue.__test__ = False  # type: ignore[attr-defined]


async def promise(world: World, queue: Route, count: int) -> list[bytes]:
    """Bodies of commands that are promised to the queue."""
    messages = [
        ReportBuild(store_id=world.store_id, report_id=number + 1) for number in range(count)
    ]
    async with world.database.transaction() as connection:
        for message in messages:
            await outbox.enqueue_command(connection, world.store_id, message, queue=queue)
    return [message.model_dump_json().encode() for message in messages]


async def cut_the_line(world: World) -> None:
    """End the session that listens; come back when it is gone."""
    query = (
        "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    )
    async with world.database.acquire() as connection:
        (pid,) = [row["pid"] for row in await connection.fetch(query)]
        await connection.execute("SELECT pg_terminate_backend($1)", pid)

    async def gone() -> bool:
        async with world.database.acquire() as connection:
            pids = await connection.fetch("SELECT pid FROM pg_stat_activity")
        return pid not in [row["pid"] for row in pids]

    await until(gone, seconds=10, what="the session is gone")


async def left(world: World) -> int:
    async with world.database.acquire() as connection:
        count = await connection.fetchval(
            "SELECT count(*) FROM outbox WHERE store_id = $1", world.store_id
        )
    return int(count)


async def test_what_nobody_takes_waits_and_holds_up_nobody(
    world: World, relay: Relay, broker: Broker
) -> None:
    nowhere, somewhere = test_queue(f"a{world.store_id}"), test_queue(f"b{world.store_id}")
    waiting = await promise(world, nowhere, 250)
    behind = await promise(world, somewhere, 3)
    async with listening(broker, COMMANDS, somewhere.name, somewhere.name) as listener:
        await relay.relay_once()

        async def arrived() -> bool:
            return sorted(listener.bodies) == sorted(behind)

        await until(arrived, seconds=30, what="those behind")
    assert await left(world) == 250
    async with listening(broker, COMMANDS, nowhere.name, nowhere.name) as listener:
        await relay.relay_once()

        async def all_arrived() -> bool:
            return sorted(listener.bodies) == sorted(waiting)

        await until(all_arrived, seconds=30, what="those that had waited for their queue")
    assert await left(world) == 0


async def test_a_build_that_an_earlier_version_promised_is_sent(
    world: World, relay: Relay, broker: Broker
) -> None:
    # A queue of the same route, elsewhere than in the topology: no other test's worker takes it.
    own = f"test.relay.earlier{world.store_id}"
    (body,) = await promise(world, replace(BUILD_LARGE, exchange=COMMANDS), 1)
    async with listening(broker, BUILDS, BUILD_LARGE.name, own) as listener:
        await relay.relay_once()

        async def arrived() -> bool:
            return body in listener.bodies

        await until(arrived, seconds=30, what="the promise")
    assert await left(world) == 0


async def test_events_are_cloud_events(world: World, relay: Relay, broker: Broker) -> None:
    event = ReportReady.model_validate(
        {
            "store_id": world.store_id,
            "report_id": 7,
            "name": "customers",
            "ready_at": "2024-01-01T00:00:00Z",
            "rows": 1,
            "bytes": 2,
            "traceparent": "00-1-2-01",
        }
    )
    queue = f"test.relay.events{world.store_id}"
    async with listening(broker, "tallyport.events", event.kind, queue) as listener:
        async with world.database.transaction() as connection:
            await outbox.enqueue_event(connection, world.store_id, event)
        await relay.relay_once()

        async def arrived() -> bool:
            return event.model_dump_json().encode() in listener.bodies

        await until(arrived, seconds=30, what="the event")
    headers = listener.headers[listener.bodies.index(event.model_dump_json().encode())]
    assert headers["cloudEvents:id"] == str(event.message_id)
    assert headers["cloudEvents:type"] == "report.ready.v1"
    assert headers["cloudEvents:source"] == "/tallyport/report"
    assert headers["traceparent"] == "00-1-2-01"
    assert await left(world) == 0


async def test_it_hears_of_the_promises_of_other_processes(
    world: World, relay: Relay, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.relay.POLL_SECONDS", 600.0)
    monkeypatch.setattr("shared.relay.POLL_SECONDS_DEAF", 600.0)
    queue = test_queue(f"d{world.store_id}")
    async with listening(broker, COMMANDS, queue.name, queue.name) as listener:
        running = asyncio.create_task(relay.run())
        try:
            for count in range(1, 7):

                async def ready() -> bool:
                    return relay.is_listening

                await until(ready, seconds=30, what="the relay listens")
                await promise(world, queue, 1)

                async def arrived(count: int = count) -> bool:
                    return len(listener.bodies) == count

                await until(arrived, seconds=20, what="what was promised elsewhere")
                if count == 3:
                    await cut_the_line(world)
        finally:
            running.cancel()
            await asyncio.wait([running])


async def test_exactly_what_was_promised_with_the_broker_down_in_between(
    world: World, broker_settings: BrokerSettings, rabbit: RabbitMQ
) -> None:
    queue = test_queue(f"c{world.store_id}")
    async with Broker.open(broker_settings, "tests relay") as broker:
        async with listening(broker, COMMANDS, queue.name, queue.name):
            relay = Relay(world.database, Publisher(broker))
            running = asyncio.create_task(relay.run())
        try:
            await asyncio.to_thread(rabbit.stop)
            promised = await promise(world, queue, 500)
            relay.wake()

            async def refused() -> bool:
                return broker.publishing.current is None

            await until(refused, seconds=30, what="the relay's connection is gone")
            assert await left(world) == 500
            await asyncio.to_thread(rabbit.start)

            async def relayed() -> bool:
                return await left(world) == 0

            await until(relayed, seconds=60, what="an empty outbox")
        finally:
            running.cancel()
            await asyncio.wait([running])
        # The consumer of before is gone with the connection; the queue was kept.
        async with listening(broker, COMMANDS, queue.name, queue.name) as listener:

            async def arrived() -> bool:
                return len(listener.bodies) >= 500

            await until(arrived, seconds=30, what="the messages")
        assert sorted(set(listener.bodies)) == sorted(promised)
