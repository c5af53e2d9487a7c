"""Losing the broker: what comes back by itself, what survives, and what is said meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr
from yarl import URL

from devstack.rabbitmq import RabbitMQ
from shared.contracts.reports import ReportBuild
from shared.contracts.routes import BUILD_SMALL, QUESTIONS, QUEUES, RECORDS
from shared.errors import UnavailableError
from shared.messaging.connection import Broker
from shared.messaging.consumer import Consumer
from shared.messaging.delivery import Delivery
from shared.messaging.publisher import Publisher
from shared.messaging.topology import TOPOLOGY, definitions
from shared.settings import BrokerSettings
from tests.integration.messaging.amqp import Raw, add_user, build, close_all_connections, until


@dataclass
class Line:
    """A TCP proxy before the broker, which can be cut or frozen."""

    port: int = 0
    frozen: asyncio.Event = field(default_factory=asyncio.Event)
    connections: list[asyncio.StreamWriter] = field(default_factory=list)

    def freeze(self) -> None:
        """Bytes vanish, and the ends of connections too; nobody is told."""
        self.frozen.set()

    def cut(self) -> None:
        """Every connection ends without a word of AMQP."""
        for writer in self.connections:
            writer.transport.abort()
        self.connections.clear()


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[Line, str]]:
    target, line = URL(url), Line()
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if not line.frozen.is_set():
                    writer.write(data)
        except OSError:
            pass
        finally:
            if not line.frozen.is_set():
                writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert target.host is not None
        try:
            inner, outer = await asyncio.open_connection(target.host, target.port)
        except OSError:
            writer.close()
            return
        line.connections += [writer, outer]
        for one in (pump(reader, outer), pump(inner, writer)):
            task = asyncio.create_task(one)
            pumps.add(task)
            task.add_done_callback(pumps.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line, str(target.with_port(line.port))
    finally:
        server.close()
        line.cut()
        for task in pumps:
            task.cancel()


async def _all_connections_are_closed(node: RabbitMQ, vhost: str) -> None:
    await asyncio.to_thread(close_all_connections, node, vhost)


async def _stopped_and_started(node: RabbitMQ, _vhost: str) -> None:
    await asyncio.to_thread(node.stop_app)
    await asyncio.to_thread(node.start_app)


async def _restarted(node: RabbitMQ, _vhost: str) -> None:
    await asyncio.to_thread(node.restart)


async def _killed(node: RabbitMQ, _vhost: str) -> None:
    await asyncio.to_thread(node.kill)
    await asyncio.to_thread(node.start)


@pytest.mark.parametrize(
    "disturb",
    [
        _all_connections_are_closed,
        _stopped_and_started,
        pytest.param(_restarted, marks=pytest.mark.slow),
        pytest.param(_killed, marks=pytest.mark.slow),
    ],
)
async def test_work_in_hand_survives_and_the_consumer_comes_back(
    disturb: Callable[[RabbitMQ, str], Any], broker: Broker, node: RabbitMQ, vhost: str
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    done: list[tuple[int, bool]] = []

    async def handle(message: ReportBuild, delivery: Delivery) -> None:
        if message.report_id == 1 and not delivery.redelivered:
            begun.set()
            await go_on.wait()
        done.append((message.report_id, delivery.redelivered))

    consumer = Consumer(broker, BUILD_SMALL, {ReportBuild: handle}, concurrency=2)
    await consumer.start()
    await Publisher(broker).publish(build(1))
    await asyncio.wait_for(begun.wait(), 10)
    was = broker.consuming.current
    await disturb(node, vhost)
    await until(lambda: broker.consuming.current is not was and broker.is_ready)
    # The lost delivery comes again while the first one is still being worked on.
    await until(lambda: done == [(1, True)])
    go_on.set()
    await until(lambda: (1, False) in done)

    async def published() -> bool:
        try:
            await Publisher(broker).publish(build(2))
        except UnavailableError:
            return False
        return True

    await until(published)
    await until(lambda: [one for one in done if one[0] == 2])
    await consumer.stop(5)


async def test_a_consumer_whose_queue_was_deleted_makes_it_again(broker: Broker, raw: Raw) -> None:
    seen: list[int] = []

    async def handle(message: ReportBuild, _delivery: Delivery) -> None:
        seen.append(message.report_id)

    consumer = Consumer(broker, BUILD_SMALL, {ReportBuild: handle})
    await consumer.start()
    await raw.channel.queue_delete(BUILD_SMALL.name)

    async def published() -> bool:
        try:
            await Publisher(broker).publish(build())
        except UnavailableError:
            return False
        return True

    await until(published)
    await until(lambda: seen)
    await consumer.stop(1)


async def test_a_queue_of_another_kind_is_named_with_the_cure_and_only_it_is_missed(
    settings: BrokerSettings, broker: Broker, raw: Raw
) -> None:
    await raw.channel.queue_delete(BUILD_SMALL.name)
    await raw.channel.queue_declare(
        BUILD_SMALL.name, durable=True, arguments={"x-queue-type": "classic"}
    )
    seen: list[int] = []

    async def handle(message: ReportBuild, _delivery: Delivery) -> None:
        seen.append(message.report_id)

    async with Broker.open(settings, "second") as second:
        consumer = Consumer(second, BUILD_SMALL, {ReportBuild: handle})
        starting = asyncio.create_task(consumer.start())
        await until(
            lambda: [
                one
                for one in second.problems()
                if one.startswith("consumer of") and "delete it" in one and BUILD_SMALL.name in one
            ]
        )
        assert not second.is_ready
        # The others work.
        await Publisher(second).publish(build(), queue=RECORDS)
        # The operator does what is asked, and everything is well without a restart.
        await raw.channel.queue_delete(BUILD_SMALL.name)
        await starting
        await until(lambda: second.is_ready)
        await Publisher(second).publish(build(7))
        await until(lambda: seen == [7])
        await consumer.stop(1)


async def test_a_publisher_says_so_too(settings: BrokerSettings, broker: Broker, raw: Raw) -> None:
    await raw.channel.queue_delete(QUESTIONS.name)
    await raw.channel.queue_declare(
        QUESTIONS.name, durable=True, arguments={"x-queue-type": "quorum"}
    )
    async with Broker.open(settings, "second") as second:
        assert any(QUESTIONS.name in one for one in second.problems())
        await raw.channel.queue_delete(QUESTIONS.name)
        await until(lambda: second.is_ready)


async def test_several_addresses_are_tried_in_turn(url: str) -> None:
    async with line_to(url) as (line, through), line_to(url) as (_other, second):
        nobody = str(URL(url).with_port(1))
        several = BrokerSettings(
            url=(SecretStr(nobody), SecretStr(through), SecretStr(second)), publish_seconds=2
        )
        async with Broker.open(several, "test") as broker:
            line.cut()
            await until(lambda: not broker.is_ready)
            await until(lambda: broker.is_ready)
            await Publisher(broker).publish(build())


async def test_a_line_that_swallows_everything_ends_in_an_error_and_then_heals(url: str) -> None:
    async with line_to(url) as (line, through):
        settings = BrokerSettings(
            url=(SecretStr(through), SecretStr(url)),
            heartbeat_seconds=1,
            publish_seconds=30,
            connect_seconds=5,
        )
        async with Broker.open(settings, "test") as broker:
            await Publisher(broker).publish(build(1))
            line.freeze()
            # Three heartbeats go by before the library gives up; what it raises then is a
            # CancelledError that nobody asked for.
            with pytest.raises(UnavailableError, match="lost"):
                await Publisher(broker).publish(build(2))
            task = asyncio.current_task()
            assert task is not None
            assert not task.cancelling()
            await until(lambda: broker.is_ready)
            await Publisher(broker).publish(build(3))


async def test_a_service_may_start_before_its_broker(settings: BrokerSettings, url: str) -> None:
    async with line_to(url) as (line, through):
        port = line.port
    later = settings.model_copy(update={"url": (SecretStr(through),)})
    async with Broker.open(later, "early", wait=False) as broker:
        assert not broker.is_ready
        with pytest.raises(UnavailableError, match="no connection to the broker"):
            await Publisher(broker).publish(build())
        # The same port, now with somebody behind it.
        relay = await asyncio.start_server(_to(url), "127.0.0.1", port)
        await until(lambda: broker.is_ready)
        await Publisher(broker).publish(build())
    relay.close()


def _to(url: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    target = URL(url)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert target.host is not None
        inner, outer = await asyncio.open_connection(target.host, target.port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, outer), pump(inner, writer))

    return accept


async def test_waiting_for_the_first_connection_can_be_cancelled() -> None:
    async def wait_for_ever() -> None:
        nobody = BrokerSettings(url=(SecretStr("amqp://u:p@127.0.0.1:1/"),))
        async with Broker.open(nobody, "patient"):
            raise AssertionError("there is no broker")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await wait_for_ever()


async def test_wrong_credentials_are_said_without_the_password(url: str) -> None:
    wrong = str(URL(url).with_password("hunter2hunter2"))
    async with Broker.open(BrokerSettings(url=(SecretStr(wrong),)), "x", wait=False) as broker:
        await until(lambda: any("ACCESS_REFUSED" in one for one in broker.problems()))
        assert "hunter2" not in str(broker.problems())


def test_an_address_of_another_protocol_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="TALLYPORT_BROKER_URL"):
        Broker(BrokerSettings(url=(SecretStr("http://x/"),)), "x", TOPOLOGY)


async def test_a_user_without_the_right_to_configure_can_work(
    url: str, broker: Broker, raw: Raw, node: RabbitMQ, vhost: str
) -> None:
    user = f"plain-{vhost}"
    add_user(node, vhost, user, r"^tallyport\.reply\.", ".*", ".*")
    plain = str(URL(url).with_user(user).with_password("secret"))
    settings = BrokerSettings(url=(SecretStr(plain),), publish_seconds=2)
    async with Broker.open(settings, "plain") as second:
        assert second.problems() == []
        await Publisher(second).publish(build())
    await raw.channel.queue_delete(RECORDS.name)
    async with Broker.open(settings, "plain") as second:
        assert any(RECORDS.name in one and "may not create" in one for one in second.problems())


async def test_the_definitions_load_and_agree_with_what_is_declared(
    broker: Broker, settings: BrokerSettings, node: RabbitMQ, vhost: str, tmp_path: Any
) -> None:
    file = tmp_path / "definitions.json"
    file.write_text(json.dumps(definitions(vhost)))
    node.ctl("import_definitions", str(file))
    policies = node.ctl("list_queues", "-p", vhost, "name", "policy")
    for queue in QUEUES:
        line = next(one for one in policies.splitlines() if one.startswith(queue.name))
        assert "tallyport-" in line, line
    # In a new virtual host, the definitions first and the services second.
    other = f"{vhost}-defined"
    node.ctl("add_vhost", other)
    user = URL(settings.url[0].get_secret_value()).user
    node.ctl("set_permissions", "-p", other, str(user), ".*", ".*", ".*")
    file.write_text(json.dumps(definitions(other)))
    node.ctl("import_definitions", str(file))
    there = str(URL(settings.url[0].get_secret_value()).with_path(f"/{other}"))
    async with Broker.open(BrokerSettings(url=(SecretStr(there),)), "second") as second:
        assert second.problems() == []
        await Publisher(second).publish(build())
