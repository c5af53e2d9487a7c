"""What each service's user of the broker may do, and nothing else, on a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit
from uuid import uuid4

import aiormq
import pytest
from aiormq.abc import AbstractConnection
from aiormq.exceptions import ChannelAccessRefused

from devstack.broker_users import rights, url_of
from shared.contracts import routes
from shared.messaging.declaration import declare
from shared.messaging.topology import CANCEL_QUEUE_PREFIX, REPLY_QUEUE_PREFIX, TOPOLOGY
from tests.engines import EnginesUnderTest
from tests.own_world import own_virtual_host

# Who relays the outbox publishes work orders and events, whoever promised them; who consumes puts
# away what it cannot read. By the default exchange, "", every queue is reached.
RELAYED = {routes.BUILDS, routes.EVENTS_EXCHANGE}
MAY_PUBLISH = {
    "gateway": {*RELAYED, routes.COMMANDS, routes.CANCELLATIONS, ""},
    "report_worker": {*RELAYED, routes.DEAD, routes.REPLIES},
    "recorder": {*RELAYED, routes.DEAD, routes.REPLIES},
    "aggregator": {routes.WISHES, routes.DEAD, routes.REPLIES},
    "producer": {routes.COMMANDS},
}
EXCHANGES = {*(exchange.name for exchange in TOPOLOGY.exchanges), ""}
QUEUES = [queue.name for queue in TOPOLOGY.queues]
OWNER = {queue.name: queue.owner.value for queue in routes.QUEUES}
OWNER[routes.OTHER_REPLIES] = "gateway"
SERVICES = sorted(MAY_PUBLISH)


@pytest.fixture(scope="module")
async def url(engines: EnginesUnderTest) -> AsyncIterator[str]:
    """A virtual host with everything in it."""
    made = own_virtual_host(engines, f"rights_{uuid4().hex[:8]}")
    connection = await aiormq.connect(made)
    assert await declare(connection, TOPOLOGY) == []
    yield made
    await connection.close()


@pytest.fixture(scope="module")
def connect(url: str) -> Callable[[str], object]:
    async def one(who: str) -> AbstractConnection:
        return await aiormq.connect(url_of(url, who))

    return one


async def allowed(connection: AbstractConnection, act: Callable[[object], object]) -> bool:
    """Whether the broker lets it; a refusal costs the channel, so each has its own."""
    channel = await connection.channel(publisher_confirms=True)
    try:
        await act(channel)  # type: ignore[misc]
    except ChannelAccessRefused:
        return False
    await channel.close()
    return True


def test_every_user_is_looked_at() -> None:
    assert {*rights()} == {*SERVICES, "admin"}


@pytest.mark.parametrize("who", SERVICES)
async def test_a_user_publishes_where_it_must(connect: Callable[..., object], who: str) -> None:
    connection = await connect(who)  # type: ignore[misc]
    try:
        published = {
            exchange
            for exchange in EXCHANGES
            if await allowed(
                connection,
                lambda channel, to=exchange: channel.basic_publish(
                    b"{}", exchange=to, routing_key="nobody.listens"
                ),
            )
        }
    finally:
        await connection.close()
    assert published == MAY_PUBLISH[who]


@pytest.mark.parametrize("who", SERVICES)
async def test_a_user_reads_its_own_queues(connect: Callable[..., object], who: str) -> None:
    connection = await connect(who)  # type: ignore[misc]

    async def nothing(_message: object) -> None: ...

    try:
        read = {
            queue
            for queue in QUEUES
            if await allowed(connection, lambda channel, of=queue: channel.basic_get(of))
        }
        for queue in QUEUES:
            removed = await allowed(connection, lambda channel, of=queue: channel.queue_purge(of))
            assert removed == (queue in read)
            assert not await allowed(connection, lambda channel, of=queue: channel.queue_delete(of))
    finally:
        await connection.close()
    assert read == {queue for queue in QUEUES if OWNER.get(queue) == who}


@pytest.mark.parametrize("who", SERVICES)
async def test_a_user_makes_only_queues_that_go_with_it(
    connect: Callable[..., object], who: str
) -> None:
    connection = await connect(who)  # type: ignore[misc]
    try:
        made = {
            name
            for name in ("anything", *QUEUES, f"{REPLY_QUEUE_PREFIX}x", f"{CANCEL_QUEUE_PREFIX}x",
                         "producer.x")
            if await allowed(
                connection, lambda channel, of=name: channel.queue_declare(of, exclusive=True)
            )
        }  # fmt: skip
    finally:
        await connection.close()
    own = {
        "gateway": {f"{REPLY_QUEUE_PREFIX}x"},
        "aggregator": {f"{CANCEL_QUEUE_PREFIX}x"},
        "producer": {"producer.x"},
    }
    assert made == own.get(who, set())


async def test_a_producer_hears_of_events(connect: Callable[..., object]) -> None:
    connection = await connect("producer")  # type: ignore[misc]
    try:
        channel = await connection.channel()
        await channel.queue_declare("producer.events", exclusive=True)
        await channel.queue_bind("producer.events", routes.EVENTS_EXCHANGE, "#")
        for exchange in (routes.COMMANDS, routes.WISHES, routes.DEAD, routes.REPLIES):
            assert not await allowed(
                connection,
                lambda channel, of=exchange: channel.queue_bind("producer.events", of, "#"),
            )
    finally:
        await connection.close()


def test_the_virtual_host_is_the_test_s_own(url: str) -> None:
    assert urlsplit(url).path.startswith("/rights_")
