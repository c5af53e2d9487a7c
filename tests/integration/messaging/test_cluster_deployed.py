"""A broker of three nodes from the files that deploy/docker-compose.cluster.yml mounts: on nodes of
this machine, with names, ports and paths of their own, and all else as it is."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from runpy import run_path

import pytest
from pydantic import SecretStr

from devstack import rabbitmq_package
from devstack.rabbitmq import RabbitMQ
from devstack.rabbitmq_cluster import RabbitMQCluster, node_names, temporary_cluster
from shared.contracts.routes import OTHER_REPLIES, QUESTIONS, QueueType
from shared.errors import UnavailableError
from shared.messaging.connection import Broker
from shared.messaging.other_replies import OtherReplies
from shared.messaging.publisher import Publisher
from shared.messaging.rpc_client import RpcClient
from shared.messaging.topology import TOPOLOGY
from shared.settings import BrokerSettings
from tests.engines import ROOT
from tests.integration.messaging.amqp import items, question
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
RABBITMQ = ROOT / "deploy" / "rabbitmq"
SECRET = "secret"
VHOST = "/"
QUORUM = [queue.name for queue in TOPOLOGY.queues if queue.type is QueueType.QUORUM]
# What came after the oldest RabbitMQ that Tallyport takes: a line of the files, and since when.
LATER = {"quorum_queue.continuous_membership": (3, 13), "deprecated_features.": (4, 0)}
SECONDS = 90


def deployed(folder: Path, version: tuple[int, ...]) -> str:
    """rabbitmq.conf and cluster.conf, for nodes of this machine."""
    add_users = run_path(str(RABBITMQ / "add_users.py"), run_name="add_users")
    passwords = dict.fromkeys(add_users["RIGHTS"], SECRET)
    definitions = json.loads((RABBITMQ / "definitions.json").read_text())
    (folder / "definitions.json").write_text(
        json.dumps(add_users["with_users"](definitions, passwords))
    )
    lines = [
        line
        for file in ("rabbitmq.conf", "cluster.conf")
        for line in (RABBITMQ / file).read_text().splitlines()
        if not any(line.startswith(key) and version < since for key, since in LATER.items())
    ]
    text = "\n".join(lines) + "\n"
    text = text.replace("/etc/rabbitmq/definitions/", f"{folder}/")
    for host, name in zip(("rabbitmq", "rabbitmq-2", "rabbitmq-3"), node_names(), strict=True):
        text = text.replace(f"rabbit@{host}\n", f"{name}\n")
    assert "rabbit@" not in text
    return text


def version_here() -> tuple[int, ...]:
    told = subprocess.run(
        [rabbitmq_package.server_script().with_name("rabbitmqctl"), "version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    return tuple(int(part) for part in re.findall(r"\d+", told)[:2])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQCluster]:
    folder = tmp_path_factory.mktemp("deployed")
    with temporary_cluster(
        folder / "nodes", configuration=deployed(folder, version_here())
    ) as running:
        yield running


@asynccontextmanager
async def at(nodes: Sequence[RabbitMQ]) -> AsyncIterator[Broker]:
    """As a gateway is there: it knows these nodes, and hands on answers."""
    addresses = [f"amqp://gateway:{SECRET}@127.0.0.1:{node.settings.port}/" for node in nodes]
    settings = BrokerSettings(url=tuple(map(SecretStr, addresses)))
    async with Broker.open(settings, "gateway") as broker:
        others = OtherReplies(broker)
        others.start()
        yield broker
        await others.stop()


@pytest.fixture(scope="module")
async def gateway(cluster: RabbitMQCluster) -> AsyncIterator[Broker]:
    async with at(cluster.nodes) as broker:
        yield broker


def nodes_of(node: RabbitMQ, queue: str) -> set[str]:
    """The members of a quorum queue, or the one node of a classic one."""
    members = "amqqueue:get_type_state(Q)" if queue in QUORUM else "node(amqqueue:get_pid(Q))"
    told = node.evaluate(
        f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{VHOST}">>, queue, '
        f'<<"{queue}">>)), {members}'
    )
    return set(re.findall(r"tallyport\d@localhost", told))


async def test_three_nodes_that_start_at_once_are_one_cluster(cluster: RabbitMQCluster) -> None:
    for node in cluster.nodes:
        running = node.evaluate("rabbit_nodes:all_running()")
        assert set(re.findall(r"tallyport\d@localhost", running)) == {*node_names()}


async def test_every_work_queue_is_on_all_nodes_and_leaders_are_on_more_than_one(
    cluster: RabbitMQCluster,
) -> None:
    for queue in QUORUM:
        assert nodes_of(cluster.nodes[0], queue) == {*node_names()}, queue
    leaders = {cluster.leader(queue, VHOST).settings.node for queue in QUORUM}
    assert len(leaders) > 1


@pytest.mark.parametrize("lost_with", [QUESTIONS.name, OTHER_REPLIES])
async def test_a_gateway_is_ready_without_the_node_of_a_classic_queue(
    lost_with: str, cluster: RabbitMQCluster, gateway: Broker
) -> None:
    await until(lambda: ready(gateway), seconds=SECONDS, what="the gateway, ready")
    (home,) = nodes_of(cluster.nodes[0], lost_with)
    lost = next(node for node in cluster.nodes if node.settings.node == home)
    others = [node for node in cluster.nodes if node is not lost]
    rpc = RpcClient(gateway)
    await rpc.start()
    await asyncio.to_thread(lost.kill)
    try:
        for node in others:
            async with at([node, lost]) as another:
                await until(lambda a=another: ready(a), seconds=SECONDS, what="a gateway, ready")
        await until(lambda: ready(gateway), seconds=SECONDS, what="the gateway, ready again")
        await Publisher(gateway).publish(items())
        if lost_with == QUESTIONS.name:
            with pytest.raises(UnavailableError):
                await rpc.call(question(), deadline_seconds=10)
    finally:
        await rpc.stop()
        await asyncio.to_thread(lost.start)


async def ready(broker: Broker) -> bool:
    return broker.is_ready
