"""The Helm chart as helm renders it, and what a cluster would say to it.

helm and the schemas are what `make chart-tools` fetched.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema_rs import Draft202012Validator, Registry

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy" / "helm" / "tallyport"
TOOLS = ROOT / "deploy" / "helm" / ".tools"
RELEASE = "shop"
VERSIONS = ("1.27", "1.37")
SECONDS = 60
# What schemas call one another by.
NOWHERE = "json-schema:///"

Manifest = dict[str, Any]
# Deployment to: the key of its values, the settings' module, and who it is to database and broker.
PROCESSES = {
    "gateway": ("gateway", "gateway"),
    "report-worker-small": ("reportWorkerSmall", "report_worker"),
    "report-worker-large": ("reportWorkerLarge", "report_worker"),
    "aggregator": ("aggregator", "aggregator"),
    "recorder": ("recorder", "recorder"),
}
EVERYTHING: dict[str, Any] = {
    "image": {"registry": "registry.example.com:5000", "tag": "1.2.3", "pullSecrets": ["mirror"]},
    "existingSecret": "secrets-of-shop",
    "database": {
        "host": "db.example.com",
        "port": 6432,
        "name": "numbers",
        "replicaHost": "db-read.example.com",
        "parameters": "sslmode=verify-full",
    },
    "broker": {
        "scheme": "amqps",
        "hosts": ["mq-0.example.com:5671", "mq-1.example.com:5671", "mq-2.example.com:5671"],
        "vhost": "shop/numbers",
    },
    "objectStore": {
        "url": "https://s3.example.com",
        "publicUrl": "https://files.example.com",
        "region": "eu-central-1",
        "bucket": "numbers",
    },
    "caBundle": {"configMap": "our-authority"},
    "publicUrl": "https://reports.example.com",
    "settings": {"TALLYPORT_LOG_LEVEL": "warning", "TALLYPORT_DATABASE_POOL_MAX": 12},
    "gateway": {
        "autoscaling": {"enabled": True},
        "settings": {
            "TALLYPORT_GATEWAY_BATCHES_BYTES_MAX": 268435456,
            "TALLYPORT_GATEWAY_ADDRESS_HEADER": "X-Real-IP",
        },
        "podAnnotations": {"example.com/team": "numbers"},
        "podLabels": {"team": "numbers"},
        "nodeSelector": {"pool": "web"},
        "tolerations": [{"key": "web", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "high",
    },
    "recorder": {
        "settings": {
            "TALLYPORT_RECORDER_ROLLUP_FOLD_SECONDS": 0.5,
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        }
    },
    "service": {"annotations": {"example.com/a": "b"}},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "host": "reports.example.com",
        "tlsSecret": "reports-tls",
        "annotations": {"example.com/a": "b"},
    },
    "roles": {"enabled": True},
    "brokerDefinitions": {"enabled": True, "managementUrl": "https://mq.example.com:15671"},
    "keda": {"enabled": True, "managementUrl": "https://mq.example.com:15671"},
    "metrics": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "rules": {"enabled": True, "labels": {"release": "prometheus"}},
    },
    "networkPolicy": {
        "enabled": True,
        "callers": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
        "metrics": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "egressPorts": [4318],
    },
    "serviceAccount": {"annotations": {"example.com/a": "b"}},
}
# By what is asked about: values.
CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": EVERYTHING,
    "gateway-not-scaled": {**EVERYTHING, "gateway": {"autoscaling": {"enabled": False}}},
    "queues-not-scaled": {**EVERYTHING, "keda": {"enabled": False}},
    "scaled-over-amqp": {
        **EVERYTHING,
        "keda": {"enabled": True, "managementUrl": ""},
        "aggregator": {"keda": {"enabled": False}},
    },
    "bare": {
        "migrate": {"enabled": False},
        "serviceAccount": {"create": False},
        "topologySpread": {"enabled": False},
        "metrics": {"annotations": False},
        "networkPolicy": {"enabled": True, "restrictEgress": False},
        **{key: {"podDisruptionBudget": {"enabled": False}} for key, _ in PROCESSES.values()},
    },
}
EXAMPLES = {file.stem: file for file in (CHART.parent / "examples").glob("*.yaml")}
CASES |= {name: yaml.safe_load(file.read_text()) for name, file in EXAMPLES.items()}


def helm(*arguments: str, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TOOLS / "helm", *arguments, "--values", "-"],
        input=yaml.safe_dump(values),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def refused(values: dict[str, Any]) -> str:
    """What helm says to these values, which it must not render."""
    done = helm("template", RELEASE, str(CHART), values=values)
    assert done.returncode != 0, "it was rendered"
    return done.stderr


@cache
def rendered(case: str) -> tuple[Manifest, ...]:
    done = helm("template", RELEASE, str(CHART), values=CASES[case])
    assert done.returncode == 0, done.stderr
    return tuple(one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one)


def of_kind(case: str, kind: str) -> dict[str, Manifest]:
    """By name, without what all names begin with."""
    prefix = f"{RELEASE}-tallyport"
    found = [one for one in rendered(case) if one["kind"] == kind]
    named = {one["metadata"]["name"].removeprefix(prefix).removeprefix("-"): one for one in found}
    assert len(named) == len(found)
    return named


def pods(case: str) -> dict[str, Manifest]:
    """The pod of each Deployment and Job, by name."""
    both = of_kind(case, "Deployment") | of_kind(case, "Job")
    return {name: one["spec"]["template"] for name, one in both.items()}


def container(pod: Manifest) -> dict[str, Any]:
    (only,) = pod["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def told(case: str, component: str) -> dict[str, str]:
    """What the process finds in its environment; a secret is `secret of KEY`."""
    only = container(pods(case)[component])
    environment: dict[str, str] = {}
    for source in only.get("envFrom", []):
        name = source["configMapRef"]["name"].removeprefix(f"{RELEASE}-tallyport-")
        environment |= of_kind(case, "ConfigMap")[name]["data"]
    for variable in only["env"]:
        if "value" in variable:
            value = variable["value"]
            # Kubernetes puts in what stands before it.
            for known, meant in environment.items():
                value = value.replace(f"$({known})", meant)
        else:
            value = f"secret-of-{variable['valueFrom']['secretKeyRef']['key']}"
        assert variable["name"] not in environment, f"{variable['name']} is told twice"
        environment[variable["name"]] = value
    assert not [value for value in environment.values() if "$(" in value]
    return environment


@cache
def validator(manifest_kind: str, api_version: str, kubernetes: str) -> Draft202012Validator:
    """Of one kind, as this version of Kubernetes takes it: an unknown field is a mistake."""
    own = TOOLS / "resources" / f"{manifest_kind.lower()}.json"
    group, _, version = api_version.rpartition("/")
    if group in ("keda.sh", "monitoring.coreos.com"):
        return Draft202012Validator(json.loads(own.read_text()))
    folder = TOOLS / f"kubernetes-{kubernetes}"
    part = group.partition(".")[0]
    name = "-".join(filter(None, (manifest_kind.lower(), part, version)))
    schema = json.loads((folder / f"{name}.json").read_text())
    return Draft202012Validator(schema, registry=_definitions(folder), base_uri=NOWHERE)


@cache
def _definitions(folder: Path) -> Registry:
    contents = json.loads((folder / "_definitions.json").read_text())
    return Registry([(f"{NOWHERE}_definitions.json", contents)])


def complaints(manifests: Iterable[Manifest], kubernetes: str) -> list[str]:
    return [
        f"{one['kind']} {one['metadata']['name']}: {error.instance_path}: {error.message}"
        for one in manifests
        for error in validator(one["kind"], one["apiVersion"], kubernetes).iter_errors(one)
    ]
