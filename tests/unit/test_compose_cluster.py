"""The override with three brokers: nodes that find one another, and services that know them all."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from services.aggregator.settings import AggregatorServiceSettings
from services.gateway.settings import GatewayServiceSettings
from services.recorder.settings import RecorderServiceSettings
from services.report_worker.settings import WorkerServiceSettings
from shared.settings import BrokerSettings
from tests.connections import connections_max
from tests.unit.test_compose import (
    COMPOSE,
    RABBITMQ,
    ROOT,
    SERVICES,
    conditions,
    default_of,
    read,
    services,
)

CLUSTER = ROOT / "deploy" / "docker-compose.cluster.yml"
SETTINGS: dict[str, type[BaseSettings]] = {
    "gateway": GatewayServiceSettings,
    "report_worker": WorkerServiceSettings,
    "aggregator": AggregatorServiceSettings,
    "recorder": RecorderServiceSettings,
}
NODES = ("rabbitmq", "rabbitmq-2", "rabbitmq-3")


def configured() -> dict[str, str]:
    lines = (RABBITMQ / "cluster.conf").read_text().splitlines()
    pairs = [line.split(" = ", 1) for line in lines if line and not line.startswith("#")]
    return {key: value for key, value in pairs}  # noqa: C416 - a line without " = " has to fail


def node(name: str) -> dict[str, Any]:
    """As Compose merges it: environment and mounts are added, the rest is replaced."""
    base = services().get(name, {})
    added = services(CLUSTER)[name]
    return {**base, **added, "volumes": [*base.get("volumes", []), *added["volumes"]]}


def test_the_nodes_are_named_to_one_another_by_their_host_names() -> None:
    prefix = "cluster_formation.classic_config.nodes."
    named = [value for key, value in configured().items() if key.startswith(prefix)]
    assert named == [f"rabbit@{node(name)['hostname']}" for name in NODES]
    assert [node(name)["hostname"] for name in NODES] == list(NODES)
    assert {name for name in services(CLUSTER) if name.startswith("rabbitmq")} == set(NODES)


def test_queues_wait_for_three_nodes_and_get_three_members() -> None:
    count = str(len(NODES))
    assert configured()["cluster_formation.target_cluster_size_hint"] == count
    reconciliation = "quorum_queue.continuous_membership_reconciliation"
    assert configured()[f"{reconciliation}.enabled"] == "true"
    assert configured()[f"{reconciliation}.target_group_size"] == count


def test_all_nodes_have_one_cookie_without_a_default() -> None:
    (cookie,) = {node(name)["environment"]["RABBITMQ_ERLANG_COOKIE"] for name in NODES}
    assert cookie.startswith("${TALLYPORT_ERLANG_COOKIE:?")


def test_the_nodes_are_alike_but_for_their_names_and_data() -> None:
    apart = {"hostname", "volumes", "environment", "depends_on"}
    first, *others = ({k: v for k, v in node(n).items() if k not in apart} for n in NODES)
    for other in others:
        assert other == first
    mounts = [set(node(name)["volumes"]) for name in NODES]
    shared = set.intersection(*mounts)
    assert {mount.split(":")[1] for mount in shared} == {
        *("/etc/rabbitmq/conf.d/90-tallyport.conf", "/etc/rabbitmq/conf.d/95-cluster.conf"),
        "/etc/rabbitmq/definitions",
    }
    own = [mount - shared for mount in mounts]
    assert {mount.partition(":")[2] for mounts in own for mount in mounts} == {"/var/lib/rabbitmq"}
    volumes = {mount.partition(":")[0] for mounts in own for mount in mounts}
    assert len(volumes) == len(NODES)
    assert volumes <= set(read()["volumes"]) | set(read(CLUSTER)["volumes"])


def test_the_first_node_is_the_oldest_and_no_node_waits_for_another_to_be_healthy() -> None:
    """Health needs a majority of nodes that were a cluster before: to wait for it is to stand
    still."""
    first, *others = (conditions(node(name)) for name in NODES)
    users = {"broker-definitions": "service_completed_successfully"}
    assert first == users
    assert others == [{**users, NODES[0]: "service_started"}] * 2


def test_every_line_is_a_setting_of_the_broker_that_compose_starts() -> None:
    """By the schema of RabbitMQ 4.2 (deps/rabbit/priv/schema/rabbit.schema, tag v4.2.9). A node
    with a line that it does not know does not start."""
    assert default_of(services()["rabbitmq"]["image"]).startswith("rabbitmq:4.2."), "look again"
    known = {
        "cluster_formation.peer_discovery_backend": r"classic_config",
        "cluster_formation.classic_config.nodes.*": r"rabbit@[a-z0-9-]+",
        "cluster_formation.target_cluster_size_hint": r"[1-9]\d*",
        "quorum_queue.continuous_membership_reconciliation.enabled": r"true|false",
        "quorum_queue.continuous_membership_reconciliation.target_group_size": r"[1-9]\d*",
        "quorum_queue.continuous_membership_reconciliation.auto_remove": r"true|false",
        "queue_leader_locator": r"balanced|client-local",
        "cluster_partition_handling": r"ignore|pause_minority|autoheal|pause_if_all_down",
    }
    for key, value in configured().items():
        assert re.fullmatch(known[re.sub(r"nodes\.\d+$", "nodes.*", key)], value), key


@pytest.mark.parametrize("name", [*SERVICES, "migrate"])
def test_a_service_knows_all_nodes_as_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    user = "admin" if name == "migrate" else name
    told = services(CLUSTER)[name]["environment"]["TALLYPORT_BROKER_URL"]
    monkeypatch.setenv("TALLYPORT_BROKER_URL", default_of(told))
    urls = [url.get_secret_value() for url in BrokerSettings().url]
    assert sorted(urls) == sorted(f"amqp://{user}:development-only@{one}:5672/" for one in NODES)
    secrets = set(re.findall(r"\$\{[^}]*\}", told))
    (alone,) = re.findall(
        r"\$\{[^}]*\}", services(COMPOSE)[name]["environment"]["TALLYPORT_BROKER_URL"]
    )
    assert secrets == {alone}
    if name in SERVICES:
        waits = services(CLUSTER)[name]["depends_on"]
        assert waits == {other: {"condition": "service_healthy"} for other in NODES}


def test_several_workers_fit_into_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    replicas = {
        name: services(CLUSTER)[name].get("deploy", {}).get("replicas", 1) for name in SERVICES
    }
    assert min(replicas[name] for name in SERVICES if name != "gateway") > 1
    assert replicas["gateway"] == 1, "its port can be published once"
    needed = 0
    for name in SERVICES:
        for variable, value in services()[name]["environment"].items():
            monkeypatch.setenv(variable, default_of(value))
        needed += replicas[name] * connections_max(SETTINGS[name]())
    (allowed,) = (
        int(option.partition("=")[2])
        for option in services()["postgres"]["command"]
        if option.startswith("--max_connections=")
    )
    # Three are kept for superusers; `migrate` and whoever looks need some, too.
    assert needed <= allowed - 5
