"""What helm renders of the chart is what Kubernetes, KEDA and the Prometheus operator take."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from tests.unit.chart.rendering import (
    CASES,
    CHART,
    PROCESSES,
    ROOT,
    VERSIONS,
    complaints,
    container,
    helm,
    of_kind,
    pods,
    rendered,
    validator,
)
from tests.unit.test_compose import default_of, services

EVERY_KIND = {
    *("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Job", "NetworkPolicy"),
    *("PodDisruptionBudget", "PodMonitor", "PrometheusRule", "ScaledObject", "Service"),
    *("ServiceAccount", "TriggerAuthentication"),
}


@pytest.mark.parametrize("case", CASES)
def test_helm_finds_nothing_to_complain_about(case: str) -> None:
    done = helm("lint", "--strict", str(CHART), values=CASES[case])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("kubernetes", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_every_manifest_is_valid_and_has_no_field_that_nobody_knows(
    case: str, kubernetes: str
) -> None:
    assert complaints(rendered(case), kubernetes) == []


def test_the_oldest_and_the_newest_kubernetes_are_those_of_the_chart() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={VERSIONS[0]}.0-0"


def test_everything_is_all_there_is() -> None:
    assert {one["kind"] for one in rendered("everything")} == EVERY_KIND


def test_an_unknown_field_would_be_found() -> None:
    for kind, path in (
        ("Deployment", ("spec", "template", "spec", "containers", 0)),
        ("ScaledObject", ("spec", "triggers", 0)),
        ("TriggerAuthentication", ("spec", "secretTargetRef", 0)),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0)),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0)),
        ("NetworkPolicy", ("spec",)),
        ("HorizontalPodAutoscaler", ("spec", "metrics", 0, "resource")),
    ):
        spoilt = copy.deepcopy(next(one for one in rendered("everything") if one["kind"] == kind))
        inner: Any = spoilt
        for step in path:
            inner = inner[step]
        inner["imagePulPolicy"] = "Always"
        for kubernetes in VERSIONS:
            (complaint,) = complaints([spoilt], kubernetes)
            assert "imagePulPolicy" in complaint


def values() -> dict[str, Any]:
    parsed = yaml.safe_load((CHART / "values.yaml").read_text())
    assert isinstance(parsed, dict)
    return parsed


def test_a_manifest_without_a_schema_would_be_found() -> None:
    with pytest.raises(FileNotFoundError):
        validator("Deploiment", "apps/v1", VERSIONS[0])


@pytest.mark.parametrize("case", CASES)
def test_a_pod_may_do_no_more_than_it_needs(case: str) -> None:
    for name, pod in pods(case).items():
        spec, only = pod["spec"], container(pod)
        user = 999 if name == "roles" else 10001
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            **dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), user),
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert spec["automountServiceAccountToken"] is False
        # Kubernetes would set TALLYPORT_GATEWAY_PORT for a Service of that name.
        assert spec["enableServiceLinks"] is False
        for volume in spec.get("volumes", []):
            assert volume.keys() <= {"name", "emptyDir", "configMap"}
            assert volume.get("emptyDir", {"sizeLimit": ""}).keys() == {"sizeLimit"}
        assert {"requests", "limits"} == only["resources"].keys()
        assert only["resources"]["requests"].keys() == only["resources"]["limits"].keys()


def test_users_are_those_of_the_images() -> None:
    assert services()["gateway"]["user"] == "10001:10001"
    assert values()["roles"]["image"] == default_of(services()["postgres"]["image"])
    assert services()["postgres"]["user"].startswith("999:")


@pytest.mark.parametrize("name", [*PROCESSES, "migrate", "broker-definitions"])
def test_images_are_the_targets_of_the_dockerfile(name: str) -> None:
    targets = {
        line.rpartition(" ")[2]
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("FROM ")
    }
    image = container(pods("everything")[name])["image"]
    front, _, tag = image.rpartition(":")
    assert (front.rpartition("/")[0], tag) == ("registry.example.com:5000/tallyport", "1.2.3")
    target = front.rpartition("/")[2]
    assert target in targets
    assert target == (PROCESSES[name][1] if name in PROCESSES else "cli")


def test_a_budget_holds_for_the_pods_of_one_process() -> None:
    for name, budget in of_kind("defaults", "PodDisruptionBudget").items():
        wanted = budget["spec"]["selector"]["matchLabels"].items()
        assert [
            pod
            for pod, one in pods("defaults").items()
            if wanted <= one["metadata"]["labels"].items()
        ] == [name]
    assert set(of_kind("defaults", "PodDisruptionBudget")) == set(PROCESSES)
    assert of_kind("bare", "PodDisruptionBudget") == {}


def test_selectors_do_not_change_with_versions() -> None:
    """Kubernetes refuses to change those of a Deployment."""
    for one in (*of_kind("everything", "Deployment").values(),):
        assert set(one["spec"]["selector"]["matchLabels"]) == {
            *("app.kubernetes.io/name", "app.kubernetes.io/instance"),
            "app.kubernetes.io/component",
        }


def test_a_change_of_settings_replaces_the_pods() -> None:
    def checksum(case: str) -> str:
        annotations = pods(case)["recorder"]["metadata"]["annotations"]
        found = annotations["checksum/settings"]
        assert isinstance(found, str)
        return found

    assert checksum("defaults") != checksum("everything")
    assert checksum("everything") == checksum("scaled-over-amqp")
