"""The four services as child processes: what each is told, when it is ready, on which port.

In: the engines' addresses and a run folder. Out: a `Child` for each service, and
`services/state.json` below the folder, which remembers the ports between commands.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from devstack import broker_users, database_roles, ports
from devstack.engines import Engines
from devstack.errors import EngineError
from devstack.processes import Child, environment_without

HOST = "127.0.0.1"
GATEWAY = "gateway"
SERVICES = (GATEWAY, "recorder", "aggregator", "report_worker")
READY_SECONDS = 60.0
PROBE_SECONDS = 3.0
# A little more than services take to finish what is in hand (TALLYPORT_OPERATIONS_DRAIN_SECONDS).
STOP_SECONDS = 30.0
OURS = tuple(
    f"TALLYPORT_{block}_"
    for block in ("DATABASE", "BROKER", "OBJECT_STORE", "GATEWAY", "OPERATIONS")
)
Settings = Mapping[str, str]


class ServicesState(BaseModel):
    """The port of each service, and a digest of the settings that they were started with."""

    model_config = ConfigDict(frozen=True)

    ports: dict[str, int]
    settings_sha256: str = ""


def child(
    run_dir: Path, name: str, engines: Engines, port: int, settings: Settings | None = None
) -> Child:
    """The service of this name, ready when it says so on its port. `settings` are variables of the
    environment besides those that we make."""
    return Child(
        run_dir=run_dir,
        name=name,
        argv=(sys.executable, "-m", f"services.{name}"),
        env={**environment(engines, name, port), **(settings or {})},
        ready=lambda: is_ready(port),
        cwd=Path(__file__).resolve().parent.parent,
        ready_seconds=READY_SECONDS,
        stop_seconds=STOP_SECONDS,
        port=port,
    )


def environment(engines: Engines, service: str, port: int) -> dict[str, str]:
    """What a service is told: addresses with a role and a user of its own. Settings that we do not
    make (limits, log level) are the caller's."""
    store = engines.object_store
    broker_url = engines.broker_url
    if engines.has_broker_users:
        broker_url = broker_users.url_of(broker_url, service)
    here = "GATEWAY" if service == GATEWAY else "OPERATIONS"
    return environment_without(*OURS) | {
        "TALLYPORT_DATABASE_URL": database_roles.url_of(engines.database_url, service),
        "TALLYPORT_BROKER_URL": broker_url,
        "TALLYPORT_OBJECT_STORE_URL": store.endpoint,
        "TALLYPORT_OBJECT_STORE_ACCESS_KEY": store.access_key,
        "TALLYPORT_OBJECT_STORE_SECRET_KEY": store.secret_key,
        "TALLYPORT_OBJECT_STORE_REGION": store.region,
        "TALLYPORT_OBJECT_STORE_BUCKET": store.bucket,
        f"TALLYPORT_{here}_HOST": HOST,
        f"TALLYPORT_{here}_PORT": str(port),
    }


def is_ready(port: int) -> bool:
    """Whether the service that listens there can work."""
    try:
        with urllib.request.urlopen(
            f"http://{HOST}:{port}/readyz", timeout=PROBE_SECONDS
        ) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def service_ports(run_dir: Path) -> dict[str, int]:
    """The port of each service by name, as of the last start; empty before the first."""
    state = load(run_dir)
    return state.ports if state else {}


def on_new_ports(run_dir: Path, gateway_port: int | None) -> ServicesState:
    """Ports that are free now; for the gateway the wished one, if it is."""
    reserved = dict(zip(SERVICES, ports.reserve(run_dir, len(SERVICES)), strict=True))
    if gateway_port is not None and ports.is_free(gateway_port):
        reserved[GATEWAY] = gateway_port
    return ServicesState(ports=reserved)


def load(run_dir: Path) -> ServicesState | None:
    """The state of the last start, or None. Raises EngineError when it is damaged."""
    try:
        return ServicesState.model_validate_json(_path(run_dir).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise EngineError(f"{_path(run_dir)} is damaged; remove it\n{error}") from None


def save(run_dir: Path, state: ServicesState) -> None:
    """Before anything is started with it."""
    partial = _path(run_dir).with_suffix(".partial")
    partial.write_text(state.model_dump_json(indent=2))
    partial.replace(_path(run_dir))


def _path(run_dir: Path) -> Path:
    return run_dir / "services" / "state.json"
