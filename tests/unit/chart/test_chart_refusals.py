"""Values that cannot work are refused, and the message says which."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.unit.chart.rendering import CHART, EVERYTHING, RELEASE, ROOT, helm, refused

AMQP_KEDA = {"keda": {"enabled": True}}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"gateways": {}}, ("gateways", "not allowed")),
        ({"gateway": {"replica": 3}}, ("/gateway", "replica", "not allowed")),
        ({"recorder": {"replicas": -1}}, ("/recorder/replicas",)),
        ({"recorder": {"replicas": "two"}}, ("/recorder/replicas", "integer")),
        ({"database": {"password": "x"}}, ("/database", "password")),
        ({"database": {"host": "user:x@db"}}, ("/database/host",)),
        ({"broker": {"hosts": []}}, ("/broker/hosts",)),
        ({"broker": {"hosts": ["rabbitmq"]}}, ("/broker/hosts/0",)),
        ({"broker": {"scheme": "http"}}, ("/broker/scheme", "amqp")),
        ({"objectStore": {"url": "s3.example.com"}}, ("/objectStore/url",)),
        ({"existingSecret": ""}, ("/existingSecret",)),
        ({"ingress": {"enabled": True}}, ("/ingress/host",)),
        ({"brokerDefinitions": {"enabled": True}}, ("/brokerDefinitions/managementUrl",)),
        ({"settings": {"TALLYPORT_LOG_LEVEL": "loud"}}, ("TALLYPORT_LOG_LEVEL", "debug")),
        # Of another process, and of the chart.
        (
            {"recorder": {"settings": {"TALLYPORT_GATEWAY_QUERY_SECONDS": 3}}},
            ("/recorder/settings", "TALLYPORT_GATEWAY_QUERY_SECONDS"),
        ),
        (
            {"settings": {"TALLYPORT_DATABASE_URL": "postgresql://a:b@c/d"}},
            ("/settings", "TALLYPORT_DATABASE_URL"),
        ),
        (
            {"gateway": {"settings": {"TALLYPORT_GATEWAY_QUERY_SECONDS": 0}}},
            ("TALLYPORT_GATEWAY_QUERY_SECONDS",),
        ),
        ({"gateway": {"drainSeconds": 26}}, ("gateway.terminationGracePeriodSeconds", "36")),
        (
            {"reportWorkerLarge": {"terminationGracePeriodSeconds": 30}},
            ("reportWorkerLarge.terminationGracePeriodSeconds", "605"),
        ),
        (
            {"gateway": {"autoscaling": {"enabled": True, "minReplicas": 11}}},
            ("gateway.autoscaling", "11", "10"),
        ),
        (AMQP_KEDA, ("keda.managementUrl", "aggregator")),
        (
            {"keda": EVERYTHING["keda"], "recorder": {"keda": {"minReplicas": 7}}},
            ("recorder.keda", "7", "6"),
        ),
    ],
)
def test_a_bad_value_is_refused_by_name(values: dict[str, Any], named: tuple[str, ...]) -> None:
    message = refused(values)
    for word in named:
        assert word in message


def test_the_schema_has_the_settings_of_the_code(tmp_path: Any) -> None:
    written = CHART / "values.schema.json"
    anew = tmp_path / "values.schema.json"
    anew.write_text(written.read_text())
    subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "chart_schema.py"), str(anew)],
        env={"PYTHONPATH": str(ROOT)},
        timeout=60,
        check=True,
    )
    assert anew.read_text() == written.read_text(), "write it anew: make docs"


def test_notes_say_what_was_left_open() -> None:
    """helm shows them after an installation; a dry one without a cluster shows them as well."""
    said = notes({"ingress": {"enabled": True, "host": "reports.example.com"}})
    for word in ("publicUrl", "objectStore.publicUrl", "TALLYPORT_GATEWAY_ADDRESS_HEADER"):
        assert f"{word} is not set" in said
    assert "http://reports.example.com/" in said
    assert "is not set" not in notes(EVERYTHING)
    assert "https://reports.example.com/" in notes(EVERYTHING)
    assert "tallyport migrate" in notes({"migrate": {"enabled": False}})


def notes(values: dict[str, Any]) -> str:
    done = helm("install", RELEASE, str(CHART), "--dry-run=client", values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("\nNOTES:\n")[2]
