"""The examples of values fit into what they say that they need."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.connections import connections_max
from tests.unit.chart.rendering import CASES, EXAMPLES, PROCESSES, container, of_kind, pods
from tests.unit.chart.test_chart_processes import started

# Of superusers, and of whoever migrates or looks.
OTHERS = 3 + 7
# What a gateway takes with nothing in hand, generously.
ITSELF_MIB = 100
MIB = {"Mi": 1, "Gi": 1024}


def most(example: str, component: str) -> int:
    """Pods at once: while they are replaced there is one more than wanted."""
    for kind, field in (
        ("ScaledObject", "maxReplicaCount"),
        ("HorizontalPodAutoscaler", "maxReplicas"),
    ):
        scaler = of_kind(example, kind).get(component)
        if scaler is not None:
            return int(scaler["spec"][field]) + 1
    return int(of_kind(example, "Deployment")[component]["spec"]["replicas"]) + 1


def memory(example: str, component: str, which: str) -> int:
    """MiB."""
    text = container(pods(example)[component])["resources"][which]["memory"]
    return int(text[:-2]) * MIB[text[-2:]]


@pytest.mark.parametrize("example", EXAMPLES)
def test_all_processes_together_fit_into_the_database(
    example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (said,) = re.findall(r"max_connections = (\d+)", EXAMPLES[example].read_text())
    needed = sum(
        most(example, component) * connections_max(started(example, component, monkeypatch))
        for component in PROCESSES
    )
    assert needed + OTHERS <= int(said)
    assert needed + OTHERS > int(said) * 0.7, "it says far more than is needed"


@pytest.mark.parametrize("example", ["defaults", *EXAMPLES])
@pytest.mark.parametrize("component", ["report-worker-small", "report-worker-large"])
def test_a_worker_has_the_memory_that_its_builds_take(
    component: str, example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/operation.md, Scaling: 110 MB, 60 for each build, 120 once it has written Parquet."""
    slots = started(example, component, monkeypatch).worker.slots
    usual = 110 + 60 * slots
    assert memory(example, component, "requests") * 1.048576 >= usual
    assert memory(example, component, "limits") * 1.048576 >= usual + 120


@pytest.mark.parametrize("example", ["defaults", *EXAMPLES])
def test_a_gateway_has_the_memory_that_uploads_may_hold(
    example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = started(example, "gateway", monkeypatch).gateway
    held = settings.batches_bytes_max + settings.requests_max * settings.body_bytes_max
    assert memory(example, "gateway", "limits") - ITSELF_MIB >= held / 2**20


def requests(example: str, resource: str, unit: dict[str, float]) -> float:
    total = 0.0
    for name, one in of_kind(example, "Deployment").items():
        text = str(container(pods(example)[name])["resources"]["requests"][resource])
        suffix = text.lstrip("0123456789")
        total += one["spec"]["replicas"] * float(text.removesuffix(suffix)) * unit[suffix]
    return total


def test_the_small_one_is_as_small_as_it_says() -> None:
    cores = requests("small", "cpu", {"m": 0.001, "": 1})
    gib = requests("small", "memory", {"Mi": 1 / 1024, "Gi": 1})
    assert cores <= 1
    assert gib <= 1.2


def test_the_large_one_has_autoscalers_for_everything() -> None:
    scaled: dict[str, Any] = of_kind("large", "ScaledObject") | of_kind(
        "large", "HorizontalPodAutoscaler"
    )
    assert set(scaled) == set(PROCESSES)
    assert {*EXAMPLES} <= {*CASES}
