"""Publishing: confirmed, or an error in time. Never silence."""

from __future__ import annotations

import asyncio
import time

import pytest

from devstack.rabbitmq import RabbitMQ
from shared.contracts.reports import ReportReady
from shared.contracts.routes import BUILD_LARGE, BUILD_SMALL, EVENTS_EXCHANGE, RECORDS
from shared.errors import UnavailableError
from shared.messaging.connection import Broker
from shared.messaging.publisher import Publisher
from tests.integration.messaging.amqp import (
    Raw,
    build,
    close_all_connections,
    items,
    set_alarm,
    until,
)


async def test_a_command_lies_in_its_routes_queue(broker: Broker, raw: Raw) -> None:
    message = build()
    await Publisher(broker).publish(message)
    found = await raw.take(BUILD_SMALL.name)
    properties = found.header.properties
    assert found.body == message.model_dump_json().encode()
    assert properties.content_type == "application/json"
    assert properties.delivery_mode == 2
    assert properties.message_type == "report.build.v1"
    assert properties.message_id == str(message.message_id)
    assert properties.timestamp is not None
    assert properties.app_id == "test"


async def test_a_queue_can_be_named(broker: Broker, raw: Raw) -> None:
    await Publisher(broker).publish(build(), queue=BUILD_LARGE)
    assert await raw.depth(BUILD_LARGE.name) == 1
    assert await raw.depth(BUILD_SMALL.name) == 0


async def test_publishing_to_nobodys_queue_raises(broker: Broker, raw: Raw) -> None:
    await raw.channel.queue_delete(BUILD_SMALL.name)
    with pytest.raises(UnavailableError, match=r"no queue takes tallyport\.report\.build\.small"):
        await Publisher(broker).publish(build())
    # The channel is as good as before.
    await Publisher(broker).publish(build(), queue=BUILD_LARGE)


async def test_an_event_that_nobody_listens_to_is_no_error(broker: Broker, raw: Raw) -> None:
    event = ReportReady.model_validate(
        {
            "store_id": 1,
            "report_id": 2,
            "name": "complete",
            "ready_at": "2024-01-01T00:00:00Z",
            "rows": 1,
            "bytes": 2,
        }
    )
    await Publisher(broker).publish(event)
    await raw.channel.queue_declare("listener", durable=True)
    await raw.channel.queue_bind("listener", EVENTS_EXCHANGE, "report.*.v1")
    await Publisher(broker).publish(event)
    found = await raw.take("listener")
    headers = found.header.properties.headers or {}
    assert headers["cloudEvents:id"] == str(event.message_id)
    assert headers["cloudEvents:type"] == "report.ready.v1"
    assert headers["cloudEvents:specversion"] == "1.0"
    assert headers["cloudEvents:source"] == "/tallyport/test"


async def test_an_encoded_body_is_sent_as_it_is(broker: Broker, raw: Raw) -> None:
    await Publisher(broker).publish_body(
        exchange="tallyport.commands",
        routing_key=RECORDS.name,
        kind="record.items.v1",
        message_id="outbox-1",
        body=b"{ }",
        headers={"traceparent": "00-1-2-3"},
        mandatory=True,
    )
    found = await raw.take(RECORDS.name)
    assert found.body == b"{ }"
    assert found.header.properties.message_id == "outbox-1"
    assert (found.header.properties.headers or {})["traceparent"] == "00-1-2-3"


async def test_an_exchange_that_is_not_there_costs_one_error(broker: Broker, raw: Raw) -> None:
    publisher = Publisher(broker)
    with pytest.raises(UnavailableError):
        await publisher.publish_body(
            exchange="nobodys",
            routing_key="x",
            kind="x",
            message_id="1",
            body=b"",
            headers={},
            mandatory=False,
        )
    await until(lambda: broker.is_ready)
    await publisher.publish(build())
    assert await raw.depth(BUILD_SMALL.name) == 1


async def test_many_are_in_flight_at_once(broker: Broker, raw: Raw) -> None:
    publisher = Publisher(broker)
    await asyncio.gather(*(publisher.publish(build(n)) for n in range(1, 201)))
    assert await raw.depth(BUILD_SMALL.name) == 200


async def test_a_full_queue_is_an_error(
    broker: Broker, raw: Raw, node: RabbitMQ, vhost: str
) -> None:
    node.ctl(
        "set_policy",
        *("-p", vhost, "full", BUILD_SMALL.name),
        '{"max-length": 1, "overflow": "reject-publish"}',
    )

    async def refused() -> bool:
        # A quorum queue counts a little late.
        try:
            await Publisher(broker).publish(build())
        except UnavailableError as error:
            return "queue is full" in error.message
        return False

    await until(refused)


async def test_no_connection_is_known_at_once(broker: Broker, node: RabbitMQ) -> None:
    node.stop_app()
    await until(lambda: not broker.is_ready)
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="no connection to the broker"):
        await Publisher(broker).publish(build())
    assert time.monotonic() - began < 0.5
    node.start_app()
    await until(lambda: broker.is_ready)
    await Publisher(broker).publish(build())


async def test_publishing_while_the_broker_stops_ends_in_time(
    broker: Broker, node: RabbitMQ
) -> None:
    publisher = Publisher(broker)
    outcomes: list[str] = []
    enough = asyncio.Event()

    async def publish_on() -> None:
        while not enough.is_set():
            try:
                async with asyncio.timeout(5):  # never a hang, never a stray CancelledError
                    await publisher.publish(build())
                outcomes.append("confirmed")
            except UnavailableError:
                outcomes.append("refused")
                await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(publish_on())
        await until(lambda: outcomes.count("confirmed") > 20)
        await asyncio.to_thread(node.stop_app)
        await until(lambda: "refused" in outcomes)
        await asyncio.to_thread(node.start_app)
        outcomes.clear()
        await until(lambda: outcomes.count("confirmed") > 20)
        enough.set()


async def test_a_memory_alarm_fails_in_time_and_passes(
    broker: Broker, raw: Raw, node: RabbitMQ
) -> None:
    publisher = Publisher(broker)
    set_alarm(node, on=True)

    async def alarmed() -> bool:
        began = time.monotonic()
        try:
            await publisher.publish(build())
        except UnavailableError as error:
            assert time.monotonic() - began < broker.settings.publish_seconds + 1
            return "alarm is on" in error.message
        return False

    await until(alarmed)
    assert broker.consuming.current is not None  # the other connection goes on
    await raw.channel.queue_purge(BUILD_SMALL.name)
    with pytest.raises(UnavailableError, match="alarm is on"):
        await publisher.publish(build(77))
    set_alarm(node, on=False)

    async def recovered() -> bool:
        try:
            await publisher.publish(build(78))
        except UnavailableError:
            return False
        return True

    await until(recovered)
    # What was refused while the alarm was known is not delivered behind its sender's back.
    bodies = [
        (await raw.take(BUILD_SMALL.name)).body for _ in range(await raw.depth(BUILD_SMALL.name))
    ]
    assert bodies
    assert not [body for body in bodies if b'"report_id":77' in body]


async def test_the_topology_is_made_again_when_a_queue_is_gone(
    broker: Broker, raw: Raw, node: RabbitMQ, vhost: str
) -> None:
    await raw.channel.queue_delete(RECORDS.name)
    close_all_connections(node, vhost)

    async def is_back() -> bool:
        try:
            await Publisher(broker).publish(items())
        except UnavailableError:
            return False
        return True

    await until(is_back)
