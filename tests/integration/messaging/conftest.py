"""A broker for each test alone: a virtual host of its own, and a raw channel to look behind us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast

import aiormq
import pytest
from pydantic import SecretStr
from yarl import URL

from devstack.rabbitmq import RabbitMQ
from shared.messaging.connection import Broker
from shared.messaging.other_replies import OtherReplies
from shared.messaging.rpc_client import RpcClient
from shared.settings import BrokerSettings
from tests.engines import EnginesUnderTest
from tests.integration.messaging.amqp import Raw, set_alarm

VHOSTS_AT_ONCE = 10


@pytest.fixture(scope="session")
def vhosts(engines: EnginesUnderTest) -> Callable[[], str]:
    """Hands out the URLs of virtual hosts that nobody else uses."""
    url = URL(engines.broker_url)
    ready: list[str] = []
    made = 0

    def make() -> str:
        nonlocal made
        if engines.local is None:
            return str(url)  # a broker that we cannot administer: the tests share what it gives
        if not ready:
            names = [f"test{made + n}" for n in range(VHOSTS_AT_ONCE)]
            made += VHOSTS_AT_ONCE
            erlang = ",".join(f'<<"{name}">>' for name in names)
            engines.rabbit.evaluate(
                'All = <<".*">>, [begin rabbit_vhost:add(V, <<>>), '
                f'rabbit_auth_backend_internal:set_permissions(<<"{url.user}">>, V, '
                f"All, All, All, <<>>) end || V <- [{erlang}]]",
            )
            ready.extend(names)
        return str(url.with_path(f"/{ready.pop()}"))

    return make


@pytest.fixture
def url(vhosts: Callable[[], str], engines: EnginesUnderTest) -> Iterator[str]:
    url = vhosts()
    yield url
    if engines.local is not None:
        # A node that starts again would start all queues of all tests before this one.
        engines.rabbit.evaluate(f'rabbit_vhost:delete(<<"{URL(url).path[1:]}">>, <<"tests">>)')


@pytest.fixture
def vhost(url: str) -> str:
    return URL(url).path.removeprefix("/")


@pytest.fixture
def settings(url: str) -> BrokerSettings:
    """Short limits: what hangs is seen soon."""
    return BrokerSettings(url=(SecretStr(url),), connect_seconds=5, publish_seconds=2)


@pytest.fixture
async def broker(settings: BrokerSettings) -> AsyncIterator[Broker]:
    async with Broker.open(settings, "test") as opened:
        yield opened


@pytest.fixture
async def rpc(broker: Broker) -> AsyncIterator[RpcClient]:
    client = RpcClient(broker)
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
async def raw(broker: Broker, url: str) -> AsyncIterator[Raw]:
    """Opened after `broker`, so that the topology is there."""
    connection = await aiormq.connect(url)
    channel = cast(aiormq.Channel, await connection.channel())
    yield Raw(channel, connection)
    await connection.close()


@pytest.fixture
async def other_replies(broker: Broker) -> AsyncIterator[None]:
    """What a gateway does for those who ask with a queue of their own."""
    others = OtherReplies(broker)
    others.start()
    yield
    await others.stop()


@pytest.fixture
def node(rabbit: RabbitMQ) -> Iterator[RabbitMQ]:
    """The broker's node, for tests that disturb it; up and well again afterwards."""
    yield rabbit
    if rabbit.child.alive() and not rabbit.answers():
        rabbit.start_app()
    rabbit.start()
    set_alarm(rabbit, on=False)
