"""The chart tells each process what it needs to be told, and nothing that it does not know."""

from __future__ import annotations

import importlib
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from aiohttp import web
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from scripts.chart_schema import PROCESSES as SETTINGS
from scripts.chart_schema import settings_of
from services.gateway.routes import add_routes
from shared.operations import Readiness, operations_routes
from tests.unit.chart.rendering import CASES, EVERYTHING, PROCESSES, container, of_kind, pods, told
from tests.unit.test_compose import RABBITMQ, ROOT, services

# Not settings: what addresses are made of, and what Python's own TLS reads.
BESIDE = {"PASSWORD", "SSL_CERT_FILE"}
PAGES = {route.path for route in operations_routes(Readiness({}))}


def root_of(component: str) -> type[BaseSettings]:
    key, _ = PROCESSES[component]
    return SETTINGS["reportWorker" if key.startswith("reportWorker") else key]


def started(case: str, component: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The settings that the process has, told what the chart tells it."""
    for name in settings_of(root_of(component)):
        monkeypatch.delenv(name, raising=False)
    for name, value in told(case, component).items():
        monkeypatch.setenv(name, value)
    return root_of(component)()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("component", PROCESSES)
def test_a_process_is_told_settings_that_it_has_and_can_start(
    component: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(told(case, component)) - BESIDE <= set(settings_of(root_of(component)))
    settings = started(case, component, monkeypatch)
    module = importlib.import_module(f"services.{PROCESSES[component][1]}.settings")
    assert type(settings).__module__ == module.__name__
    assert settings.telemetry.format == "json"


@pytest.mark.parametrize("component", PROCESSES)
def test_a_process_is_itself_to_the_database(
    component: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = PROCESSES[component][1]
    secret = f"secret-of-{service.replace('_', '-')}-password"
    address = f"postgresql://tallyport_{service}:{secret}"
    plain = started("defaults", component, monkeypatch).database
    assert plain.url == SecretStr(f"{address}@postgres:5432/tallyport")
    assert plain.replica_url is None
    full = started("everything", component, monkeypatch).database
    assert full.url == SecretStr(f"{address}@db.example.com:6432/numbers?sslmode=verify-full")
    reads = service in ("aggregator", "report_worker")
    replica = f"{address}@db-read.example.com:5432/numbers?sslmode=verify-full"
    assert full.replica_url == (SecretStr(replica) if reads else None)
    # The role is one that deployments have.
    roles = (ROOT / "deploy" / "postgres" / "10-roles.sh").read_text()
    assert f"ALTER ROLE tallyport_{service} LOGIN" in roles


@pytest.mark.parametrize("component", PROCESSES)
def test_a_process_is_itself_to_every_node_of_the_broker(
    component: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = PROCESSES[component][1]
    (alone,) = started("defaults", component, monkeypatch).broker.url
    secret = f"secret-of-{service.replace('_', '-')}-password"
    assert alone == SecretStr(f"amqp://{service}:{secret}@rabbitmq:5672/")
    urls = [
        urlsplit(url.get_secret_value())
        for url in started("everything", component, monkeypatch).broker.url
    ]
    assert {f"{url.hostname}:{url.port}" for url in urls} == {*EVERYTHING["broker"]["hosts"]}
    for url in urls:
        assert (url.scheme, url.username, url.password) == ("amqps", service, secret)
        assert unquote(url.path[1:]) == "shop/numbers"
    assert f'"{service}": Rights(' in (RABBITMQ / "add_users.py").read_text()


def test_processes_begin_with_different_nodes() -> None:
    first = {
        name: told("everything", name)["TALLYPORT_BROKER_URL"].split(",")[0] for name in PROCESSES
    }
    assert len({url.rpartition("@")[2] for url in first.values()}) == 3


@pytest.mark.parametrize("component", PROCESSES)
def test_a_pod_sees_its_own_secrets_only(component: str) -> None:
    service = PROCESSES[component][1].replace("_", "-")
    store = {"object-store-access-key", "object-store-secret-key"}
    own = {f"{service}-password"} | (store if service in ("gateway", "report-worker") else set())
    seen = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for variable in container(pods("everything")[component])["env"]
        if "valueFrom" in variable
    }
    assert seen == own


def test_no_secret_comes_from_the_values() -> None:
    for case in CASES:
        assert not of_kind(case, "Secret")
        for config in of_kind(case, "ConfigMap").values():
            assert not [name for name in config["data"] if "PASSWORD" in name or "KEY" in name]


def test_small_and_large_reports_have_processes_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = started("defaults", "report-worker-small", monkeypatch).worker
    assert (small.small_slots, small.large_slots) == (3, 0)
    large = started("defaults", "report-worker-large", monkeypatch).worker
    assert (large.small_slots, large.large_slots) == (0, 1)


def test_numbers_arrive_as_they_were_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm knows floats only, and writes large ones as powers of ten."""
    gateway = started("everything", "gateway", monkeypatch)
    assert gateway.gateway.batches_bytes_max == 268435456
    assert gateway.database.pool_max == 12
    assert gateway.telemetry.level == "warning"
    assert gateway.gateway.public_url == "https://reports.example.com"
    recorder = started("everything", "recorder", monkeypatch)
    assert recorder.recorder.rollup_fold_seconds == 0.5
    assert told("defaults", "gateway")["TALLYPORT_OBJECT_STORE_BUCKET"] == "tallyport-reports"


@pytest.mark.parametrize("component", PROCESSES)
def test_probes_ask_pages_that_there_are_at_the_port_that_listens(
    component: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = started("defaults", component, monkeypatch)
    listening = settings.gateway if component == "gateway" else settings.operations
    only = container(pods("defaults")[component])
    assert listening.host == "0.0.0.0"  # noqa: S104 - in a container
    (port,) = only["ports"]
    assert port["containerPort"] == listening.port
    asked = {}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked[probe] = only[probe]["httpGet"]["path"]
        assert asked[probe] in PAGES
        assert only[probe]["httpGet"]["port"] == listening.port
    assert asked == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    # Each check of readiness takes 2 s at most.
    assert only["readinessProbe"]["timeoutSeconds"] > 2
    annotations = pods("defaults")[component]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(listening.port)
    assert annotations["prometheus.io/path"] in PAGES


@pytest.mark.parametrize("component", PROCESSES)
def test_a_pod_may_take_longer_to_stop_than_its_process(
    component: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = started("defaults", component, monkeypatch)
    needs = settings.operations.drain_seconds
    if component == "gateway":
        needs += settings.gateway.leave_seconds
    assert pods("defaults")[component]["spec"]["terminationGracePeriodSeconds"] >= needs + 5


def test_the_ingress_passes_on_every_path_of_callers_and_none_of_operators() -> None:
    app = web.Application()
    add_routes(app)
    ours = {resource.canonical for resource in app.router.resources()}
    rules = of_kind("everything", "Ingress")[""]["spec"]["rules"][0]["http"]["paths"]

    def passed(path: str) -> bool:
        return any(
            path == rule["path"]
            or (rule["pathType"] == "Prefix" and path.startswith(rule["path"] + "/"))
            for rule in rules
        )

    assert {path for path in ours if not passed(path)} == set()
    assert {path for path in PAGES if passed(path)} == set()
    for rule in rules:
        assert any(path == rule["path"] or path.startswith(f"{rule['path']}/") for path in ours)


def test_migrations_run_as_the_owner_as_compose_runs_them() -> None:
    only = container(pods("defaults")["migrate"])
    assert only["args"] == services()["migrate"]["command"]
    assert set(told("defaults", "migrate")) - BESIDE == {"TALLYPORT_DATABASE_URL"}
    url = told("defaults", "migrate")["TALLYPORT_DATABASE_URL"]
    assert url == "postgresql://tallyport_owner:secret-of-owner-password@postgres:5432/tallyport"
