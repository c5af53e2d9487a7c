"""What the chart's Job does to a broker that is somebody else's, over a real management API."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from json import load
from typing import Any

import aiormq
import pytest
from aiormq.exceptions import ChannelAccessRefused

from devstack import ports, rabbitmq, rabbitmq_package, watchdog
from devstack.processes import stop_all
from devstack.rabbitmq import USER, RabbitMQ
from shared.contracts.routes import BUILD_SMALL, QUESTIONS, RECORDS
from shared.messaging.declaration import declare
from shared.messaging.topology import TOPOLOGY
from tests.engines import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]
FILES = ROOT / "deploy" / "rabbitmq"
VHOST = "shop/numbers"
USERS = ("gateway", "report_worker", "aggregator", "recorder", "producer", "admin")


class Managed(RabbitMQ):
    """A node with the management plugin, which devstack's own have no use for."""

    def _write_files(self) -> None:
        super()._write_files()
        (self._folder / "enabled_plugins").write_text("[rabbitmq_management].\n")


@dataclass(frozen=True)
class Broker:
    node: RabbitMQ
    management_url: str

    def import_definitions(self, **changed: str) -> subprocess.CompletedProcess[str]:
        told = {
            "MANAGEMENT_URL": self.management_url,
            "MANAGEMENT_USERNAME": USER,
            "MANAGEMENT_PASSWORD": self.node.settings.password,
            "BROKER_VHOST": VHOST,
            **{f"{user.upper()}_PASSWORD": f"{user}s-own" for user in USERS},
            **changed,
        }
        return subprocess.run(
            [sys.executable, FILES / "import_definitions.py", FILES / "definitions.json"],
            env={"PATH": os.environ["PATH"], **told},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def url(self, user: str) -> str:
        port = self.node.settings.port
        return f"amqp://{user}:{user}s-own@127.0.0.1:{port}/{VHOST.replace('/', '%2F')}"

    def ask(self, path: str) -> Any:
        who = b64encode(f"{USER}:{self.node.settings.password}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - our own node
            f"{self.management_url}/api/{path}", headers={"Authorization": f"Basic {who}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return load(answer)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("managed")
    (port,) = ports.reserve(folder, 1)
    settings = rabbitmq.prepare(folder).model_copy(
        update={"configuration": f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {port}\n"}
    )
    node = Managed(folder, settings, rabbitmq_package.server_script())
    try:
        watchdog.child(folder).start()
        node.start()
        yield Broker(node, f"http://127.0.0.1:{port}")
    finally:
        stop_all(folder)


async def test_a_broker_gets_queues_policies_and_users_and_twice_does_no_harm(
    broker: Broker,
) -> None:
    for _ in range(2):
        done = broker.import_definitions()
        assert done.returncode == 0, done.stderr
    connection = await aiormq.connect(broker.url("admin"))
    try:
        assert await declare(connection, TOPOLOGY) == []
    finally:
        await connection.close()
    policies = broker.ask("policies")
    assert {one["vhost"] for one in policies} == {VHOST}
    assert "tallyport-work" in {one["name"] for one in policies}
    for user in USERS:
        await (await aiormq.connect(broker.url(user))).close()


async def test_a_user_may_do_what_it_may_in_containers(broker: Broker) -> None:
    assert broker.import_definitions().returncode == 0
    connection = await aiormq.connect(broker.url("aggregator"))
    try:
        channel = await connection.channel()
        await channel.basic_get(QUESTIONS.name)
        with pytest.raises(ChannelAccessRefused):
            await channel.basic_get(RECORDS.name)
    finally:
        await connection.close()


async def test_an_autoscaler_sees_the_length_of_a_queue_without_any_right(broker: Broker) -> None:
    """KEDA asks so over AMQP; README.md of the chart says how its user is made."""
    assert broker.import_definitions().returncode == 0
    broker.node.ctl("add_user", "keda", "kedas-own")
    broker.node.ctl("set_permissions", "-p", VHOST, "keda", "^$", "^$", "^$")
    connection = await aiormq.connect(broker.url("keda"))
    try:
        channel = await connection.channel()
        told = await channel.queue_declare(BUILD_SMALL.name, passive=True)
        assert told.message_count == 0
        with pytest.raises(ChannelAccessRefused):
            await channel.basic_get(BUILD_SMALL.name)
    finally:
        await connection.close()


def test_what_is_wrong_is_said(broker: Broker) -> None:
    for changed, said in (
        ({"GATEWAY_PASSWORD": ""}, "not set: GATEWAY_PASSWORD"),
        ({"MANAGEMENT_PASSWORD": "wrong"}, "401"),
        ({"MANAGEMENT_URL": "http://127.0.0.1:1"}, "refused"),
        ({"MANAGEMENT_URL": "ftp://127.0.0.1"}, "MANAGEMENT_URL"),
    ):
        done = broker.import_definitions(**changed)
        assert done.returncode != 0
        assert said in done.stderr
        assert "s-own" not in done.stderr
