"""Who owns the number of processes, what it follows, who may reach them, and who looks at them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from services.aggregator.settings import AggregatorSettings
from shared.contracts import routes
from shared.messaging.topology import TOPOLOGY
from tests.unit.chart.rendering import (
    CASES,
    EVERYTHING,
    PROCESSES,
    container,
    of_kind,
    pods,
    rendered,
)
from tests.unit.test_compose import RABBITMQ, ROOT

QUEUED = {name for name in PROCESSES if name != "gateway"}
# By case: the Deployments whose replicas an autoscaler owns.
OWNED = {
    "defaults": set(),
    "everything": set(PROCESSES),
    "gateway-not-scaled": QUEUED,
    "queues-not-scaled": {"gateway"},
    "scaled-over-amqp": {*PROCESSES} - {"aggregator"},
    "bare": set[str](),
    "small": set[str](),
    "large": set(PROCESSES),
}


@pytest.mark.parametrize("case", CASES)
def test_replicas_are_set_where_no_autoscaler_owns_them(case: str) -> None:
    deployments = of_kind(case, "Deployment")
    assert {name for name, one in deployments.items() if "replicas" not in one["spec"]} == OWNED[
        case
    ]
    scalers = of_kind(case, "HorizontalPodAutoscaler") | of_kind(case, "ScaledObject")
    assert set(scalers) == OWNED[case]
    for name, scaler in scalers.items():
        target = scaler["spec"]["scaleTargetRef"]
        assert target["name"] == deployments[name]["metadata"]["name"]
        assert (target["apiVersion"], target["kind"]) == ("apps/v1", "Deployment")


def test_the_gateway_grows_by_cpu_that_it_asked_for() -> None:
    spec = of_kind("everything", "HorizontalPodAutoscaler")["gateway"]["spec"]
    (metric,) = spec["metrics"]
    assert metric["resource"] == {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 70},
    }
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    # A share of nothing is nothing.
    assert "cpu" in container(pods("everything")["gateway"])["resources"]["requests"]


def triggers(case: str) -> dict[str, dict[str, Any]]:
    found = {}
    for name, one in of_kind(case, "ScaledObject").items():
        (trigger,) = one["spec"]["triggers"]
        assert trigger["type"] == "rabbitmq"
        found[name] = trigger
    return found


@pytest.mark.parametrize("case", ["everything", "scaled-over-amqp"])
def test_a_process_grows_by_a_queue_of_its_own(case: str) -> None:
    assert triggers(case)
    for component, trigger in triggers(case).items():
        name = trigger["metadata"]["queueName"]
        assert name in {queue.name for queue in TOPOLOGY.queues}
        (queue,) = (one for one in routes.QUEUES if one.name == name)
        assert queue.owner.value == PROCESSES[component][1]
        assert trigger["metadata"]["mode"] == "QueueLength"
        assert int(trigger["metadata"]["value"]) >= 1
        assert trigger["metadata"]["vhostName"] == EVERYTHING["broker"]["vhost"]
    lanes = {
        component: trigger["metadata"]["queueName"] for component, trigger in triggers(case).items()
    }
    assert lanes["report-worker-small"] == routes.BUILD_SMALL.name
    assert lanes["report-worker-large"] == routes.BUILD_LARGE.name


def test_questions_count_while_they_are_computed() -> None:
    """An aggregator takes more at once than it works on and lets wait, so none would ever be ready
    in the queue; AMQP tells of no other."""
    settings = AggregatorSettings()
    assert routes.QUESTIONS.prefetch > settings.questions_max + settings.waiting_max
    for component, trigger in triggers("everything").items():
        assert trigger["metadata"]["protocol"] == "http"
        assert trigger["metadata"]["host"] == EVERYTHING["keda"]["managementUrl"]
        only_ready = "false" if component == "aggregator" else "true"
        assert trigger["metadata"]["excludeUnacknowledged"] == only_ready
    for trigger in triggers("scaled-over-amqp").values():
        assert trigger["metadata"]["protocol"] == "amqp"
        assert trigger["metadata"]["host"] == "amqps://mq-0.example.com:5671/"
        # KEDA refuses it with this protocol.
        assert "excludeUnacknowledged" not in trigger["metadata"]


def test_keda_knows_the_broker_by_a_secret() -> None:
    (authentication,) = of_kind("everything", "TriggerAuthentication").values()
    for trigger in triggers("everything").values():
        assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": part, "name": "secrets-of-shop", "key": f"keda-{part}"}
        for part in ("username", "password")
    ]


def test_alerts_are_those_of_the_monitoring_profile() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    (rule,) = of_kind("everything", "PrometheusRule").values()
    assert rule["spec"] == rules
    assert rule["metadata"]["labels"]["release"] == "prometheus"


def test_every_process_is_looked_at_under_a_job_that_the_alerts_know() -> None:
    (monitor,) = of_kind("everything", "PodMonitor").values()
    (rule,) = of_kind("everything", "PrometheusRule").values()
    expressions = [one["expr"] for group in rule["spec"]["groups"] for one in group["rules"]]
    jobs = [job for one in expressions for job in re.findall(r'job=~"([^"]+)"', one)]
    assert jobs
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    endpoints = {one["port"]: one for one in monitor["spec"]["podMetricsEndpoints"]}
    for name in PROCESSES:
        pod = pods("everything")[name]
        labels = pod["metadata"]["labels"]
        assert wanted <= labels.items()
        (relabeling,) = endpoints[container(pod)["ports"][0]["name"]]["relabelings"]
        assert relabeling["sourceLabels"] == [
            "__meta_kubernetes_pod_label_app_kubernetes_io_component"
        ]
        assert relabeling["targetLabel"] == "job"
        job = relabeling["replacement"].replace("$1", labels["app.kubernetes.io/component"])
        assert all(re.fullmatch(known, job) for known in jobs)


def test_a_prometheus_without_operator_is_told_by_annotations() -> None:
    for name in PROCESSES:
        annotations = pods("defaults")[name]["metadata"]["annotations"]
        port = container(pods("defaults")[name])["ports"][0]["containerPort"]
        assert annotations["prometheus.io/scrape"] == "true"
        assert annotations["prometheus.io/port"] == str(port)
        assert "prometheus.io/scrape" not in pods("bare")[name]["metadata"]["annotations"]


def test_the_service_leads_to_gateways_only() -> None:
    service = of_kind("defaults", "Service")["gateway"]["spec"]
    chosen = [
        name
        for name, pod in pods("defaults").items()
        if service["selector"].items() <= pod["metadata"]["labels"].items()
    ]
    assert chosen == ["gateway"]
    (port,) = service["ports"]
    assert port["targetPort"] == container(pods("defaults")["gateway"])["ports"][0]["name"]
    for rule in of_kind("everything", "Ingress")[""]["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            backend = path["backend"]["service"]
            assert backend == {"name": "shop-tallyport-gateway", "port": {"name": port["name"]}}


def test_a_network_policy_lets_in_callers_and_out_to_the_engines() -> None:
    callers, metrics = (EVERYTHING["networkPolicy"][key] for key in ("callers", "metrics"))
    policies = of_kind("everything", "NetworkPolicy")
    assert set(policies) == set(PROCESSES)
    for name, policy in policies.items():
        (entry,) = policy["spec"]["ingress"]
        port = container(pods("everything")[name])["ports"][0]["containerPort"]
        assert entry["ports"] == [{"port": port, "protocol": "TCP"}]
        assert entry["from"] == (callers + metrics if name == "gateway" else metrics)
        (leaving,) = policy["spec"]["egress"]
        out = {one["port"] for one in leaving["ports"]}
        store = (
            {443} if name in ("gateway", "report-worker-small", "report-worker-large") else set()
        )
        assert out == {53, 6432, 5432, 5671, 4318} | store
        assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    for policy in of_kind("bare", "NetworkPolicy").values():
        assert policy["spec"]["policyTypes"] == ["Ingress"]
        assert "from" not in policy["spec"]["ingress"][0]


def test_jobs_run_before_all_else_and_in_their_order() -> None:
    def weight(one: dict[str, Any]) -> int:
        annotations = one["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        return int(annotations["helm.sh/hook-weight"])

    jobs, configs = of_kind("everything", "Job"), of_kind("everything", "ConfigMap")
    assert set(jobs) == {"roles", "broker-definitions", "migrate"}
    for name in ("roles", "broker-definitions"):
        assert weight(configs[name]) < weight(jobs[name]) < weight(jobs["migrate"])
    # What a hook needs has to be one, or to be there before.
    hooks = {
        one["metadata"]["name"]
        for one in rendered("everything")
        if "helm.sh/hook" in one["metadata"].get("annotations", {})
    }
    for job in jobs.values():
        spec = job["spec"]["template"]["spec"]
        assert "serviceAccountName" not in spec
        mounted = {
            volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume
        }
        assert mounted <= hooks | {EVERYTHING["caBundle"]["configMap"]}


def test_jobs_carry_the_files_of_the_other_deployment() -> None:
    configs = of_kind("everything", "ConfigMap")
    assert configs["roles"]["data"] == {
        "10-roles.sh": (ROOT / "deploy" / "postgres" / "10-roles.sh").read_text()
    }
    names = ("add_users.py", "import_definitions.py", "definitions.json")
    assert configs["broker-definitions"]["data"] == {
        name: (RABBITMQ / name).read_text() for name in names
    }
    for name, script in (("roles", "10-roles.sh"), ("broker-definitions", "add_users.py")):
        text = configs[name]["data"][script]
        told = {variable["name"] for variable in container(pods("everything")[name])["env"]}
        needed = {"OWNER" if name == "roles" else "ADMIN", "GATEWAY", "REPORT_WORKER"}
        for user in needed | {"AGGREGATOR", "RECORDER"}:
            assert user.lower() in text.lower()
            assert f"{user}_PASSWORD" in told
