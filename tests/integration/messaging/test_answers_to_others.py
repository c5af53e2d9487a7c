"""Who asks with a queue of his own is answered there, and nobody makes us publish anywhere else: on
a real broker, with the users that deployments give the services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiormq
import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import PublishError
from pamqp.commands import Basic
from pydantic import SecretStr

from cli.broker import broker_tidy
from cli.outcomes import RefusedError
from devstack.broker_users import let_in, url_of
from devstack.rabbitmq import RabbitMQ
from shared.contracts.aggregations import AggregateQuery
from shared.contracts.routes import (
    BUILD_SMALL,
    BUILDS,
    COMMANDS,
    DEAD_QUEUE,
    OTHER_REPLIES,
    QUESTIONS,
    RECORDS,
    REPLIES,
)
from shared.messaging.codec import encode
from shared.messaging.connection import Broker
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import REASON
from shared.messaging.delivery import Delivery
from shared.messaging.other_replies import OtherReplies
from shared.messaging.rpc_client import RpcClient
from shared.settings import BrokerSettings
from tests.integration.messaging.amqp import Raw, build, question, until

DIRECT = "amq.rabbitmq.reply-to"


@dataclass
class Deployed:
    """A gateway, an aggregator that answers with the measure, and a producer's connection."""

    rpc: RpcClient
    producer: aiormq.abc.AbstractConnection

    async def ask(self, channel: AbstractChannel, reply_to: str) -> None:
        await channel.basic_publish(
            encode(question("theirs")),
            exchange=COMMANDS,
            routing_key=QUESTIONS.name,
            properties=Basic.Properties(reply_to=reply_to, correlation_id="c-1"),
            mandatory=True,
        )


@pytest.fixture
def users(url: str, node: RabbitMQ) -> None:
    """Whoever deployments let in."""
    let_in(node, url)


@pytest.fixture
async def deployed(broker: Broker, url: str, users: None) -> AsyncIterator[Deployed]:
    async def echo(query: AggregateQuery, _delivery: Delivery) -> bytes:
        return query.measure.encode()

    def settings(who: str) -> BrokerSettings:
        return BrokerSettings(url=(SecretStr(url_of(url, who)),))

    async with (
        Broker.open(settings("gateway"), "gateway") as gateway,
        Broker.open(settings("aggregator"), "aggregator") as aggregator,
    ):
        rpc, others = RpcClient(gateway), OtherReplies(gateway)
        await rpc.start()
        others.start()
        consumer = Consumer(aggregator, QUESTIONS, {AggregateQuery: echo})
        await consumer.start()
        await until(lambda: gateway.is_ready and aggregator.is_ready, what="their channels")
        producer = await aiormq.connect(url_of(url, "producer"))
        yield Deployed(rpc, producer)
        await producer.close()
        await consumer.stop(5)
        await others.stop()
        await rpc.stop()


@pytest.mark.parametrize("queue", ["producer.answers", DIRECT])
async def test_a_producer_is_answered_where_it_wants(deployed: Deployed, queue: str) -> None:
    answered: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
    channel = await deployed.producer.channel()
    if queue != DIRECT:
        await channel.queue_declare(queue, exclusive=True)
    await channel.basic_consume(queue, answered.put, no_ack=True)
    await deployed.ask(channel, queue)
    async with asyncio.timeout(30):
        answer = await answered.get()
    assert answer.body == b"theirs"
    assert answer.header.properties.correlation_id == "c-1"


async def test_a_gateway_s_answer_takes_no_detour(deployed: Deployed, raw: Raw) -> None:
    await raw.channel.queue_declare("detours", exclusive=True)
    await raw.channel.queue_bind("detours", OTHER_REPLIES)
    answer = await deployed.rpc.call(question("ours"), deadline_seconds=30)
    assert answer.body == b"ours"
    assert await raw.depth("detours") == 0


@pytest.mark.parametrize(
    "queue", [RECORDS.name, BUILD_SMALL.name, DEAD_QUEUE, OTHER_REPLIES, "tallyport.anything"]
)
async def test_nobody_is_answered_on_a_queue_of_ours(
    deployed: Deployed, raw: Raw, queue: str
) -> None:
    channel = await deployed.producer.channel()
    await deployed.ask(channel, queue)
    dead = await raw.take_dead()
    assert dead.header.properties.headers is not None
    assert queue in dead.header.properties.headers[REASON]
    assert "a queue of ours" in dead.header.properties.headers[REASON]
    # One question later, an answer would have been there.
    assert (await deployed.rpc.call(question("ours"), deadline_seconds=30)).body == b"ours"
    for ours in (RECORDS.name, BUILD_SMALL.name, DEAD_QUEUE):
        assert await raw.depth(ours) == 0, ours


async def test_an_answer_for_a_queue_of_ours_is_not_handed_on(deployed: Deployed, raw: Raw) -> None:
    # As a service would send it that somebody else has taken over.
    await raw.publish_to(REPLIES, RECORDS.name, b"a forged record")
    await raw.channel.queue_declare("last", exclusive=True)
    await raw.publish_to(REPLIES, "last", b"the one behind it")
    assert (await raw.take("last")).body == b"the one behind it"
    assert await raw.depth(RECORDS.name) == 0


async def test_a_producer_cannot_order_a_build(deployed: Deployed, raw: Raw) -> None:
    order = encode(build())
    channel = await deployed.producer.channel(on_return_raises=True)
    with pytest.raises(PublishError):  # no queue takes it
        await channel.basic_publish(
            order, exchange=COMMANDS, routing_key=BUILD_SMALL.name, mandatory=True
        )
    assert await raw.depth(BUILD_SMALL.name) == 0
    await raw.publish_to(BUILDS, BUILD_SMALL.name, order)
    assert (await raw.take(BUILD_SMALL.name)).body == order


@pytest.mark.usefixtures("users")
async def test_what_an_earlier_version_bound_is_taken_away(
    raw: Raw, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await raw.channel.queue_bind(BUILD_SMALL.name, COMMANDS, BUILD_SMALL.name)
    await raw.publish_to(COMMANDS, BUILD_SMALL.name, b"as before")
    assert (await raw.take(BUILD_SMALL.name)).body == b"as before"
    monkeypatch.setenv("TALLYPORT_BROKER_URL", url_of(url, "admin"))
    for _ in range(2):
        assert (await broker_tidy()).data["unbound"][0] == {
            "exchange": COMMANDS,
            "queue": BUILD_SMALL.name,
        }
    channel = await raw.connection.channel(on_return_raises=True)
    with pytest.raises(PublishError):
        await channel.basic_publish(
            b"", exchange=COMMANDS, routing_key=BUILD_SMALL.name, mandatory=True
        )


@pytest.mark.usefixtures("broker", "users")
async def test_who_may_not_take_it_away_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYPORT_BROKER_URL", url_of(url, "aggregator"))
    with pytest.raises(RefusedError, match="ACCESS_REFUSED"):
        await broker_tidy()
