"""A cluster of three brokers whose leaders are killed, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from devstack.rabbitmq import RabbitMQ
from devstack.rabbitmq_cluster import RabbitMQCluster, temporary_cluster
from shared.contracts.routes import BUILD_SMALL, RECORDS
from shared.messaging.connection import Broker
from shared.messaging.publisher import Publisher
from shared.settings import BrokerSettings
from tests.chaos import profile
from tests.chaos.observing import WORK
from tests.chaos.shop import busy, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import System, ready_counts, running_system
from tests.chaos.test_recorder_killed import keep_publishing
from tests.engines import EnginesUnderTest
from tests.own_world import own_world
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(profile.SECONDS_MAX)]
BACK_SECONDS = 90


@pytest.fixture(scope="module")
async def cluster(
    engines: EnginesUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RabbitMQCluster]:
    with temporary_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
async def clustered(engines: EnginesUnderTest, cluster: RabbitMQCluster) -> AsyncIterator[System]:
    """A system of its own on the cluster's three addresses, without a proxy before them."""
    async with own_world(engines, "clustered") as own:
        world = replace(own, broker_url=cluster.nodes[0].url)
        async with running_system(world, broker_urls=cluster.urls) as system:
            yield system


async def test_cluster_leaders_killed_lose_nothing(
    clustered: System, cluster: RabbitMQCluster
) -> None:
    suite = Suite("cluster_leaders", clustered)
    addresses = tuple(SecretStr(url) for url in cluster.urls.split(","))
    queues = [RECORDS.name, BUILD_SMALL.name]
    async with (
        healing(clustered),
        open_shop(clustered, suite.history, suite.dice) as shop,
        Broker.open(BrokerSettings(url=addresses), "producer") as broker,
    ):
        is_over = asyncio.Event()
        producing = asyncio.create_task(keep_publishing(suite, shop, Publisher(broker), is_over))
        async with busy(shop):
            for number in range(profile.rounds(short=2, long=50)):
                leader = await asyncio.to_thread(cluster.leader, queues[number % 2])
                await asyncio.sleep(suite.dice.uniform(0, 0.5))
                await asyncio.to_thread(leader.kill)
                suite.faults["leader killed"] += 1
                suite.rounds += 1
                await asyncio.sleep(suite.dice.uniform(0.5, 2))
                await asyncio.to_thread(leader.start)
                await until(
                    lambda node=leader: _serves(node),
                    seconds=BACK_SECONDS,
                    what="the node's queues",
                )
        is_over.set()
        await producing
        verdict = await suite.judge([shop])
    verdict.require_no_harm()


async def _serves(node: RabbitMQ) -> bool:
    """The node is back, and all queues have a leader that answers it."""
    try:
        return bool(await ready_counts(node.url, WORK))
    except (OSError, RuntimeError):
        return False
