"""The compose files hold what deploy/README.md promises: nothing here needs a Docker engine.

The schema is the Compose specification's own, as check-jsonschema carries it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from shared.contracts import routes
from shared.messaging.topology import CANCEL_QUEUE_PREFIX, REPLY_QUEUE_PREFIX, definitions
from shared.settings import OperationsSettings
from tests.unit.test_dockerfile import stages
from tests.unit.test_settings_example import (
    environment_name,
    fields_of_code,
    is_block,
    settings_classes,
)

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
OVERRIDES = sorted((ROOT / "deploy").glob("*compose.*.yml"))
RABBITMQ = ROOT / "deploy" / "rabbitmq"
SERVICES = ("gateway", "report_worker", "aggregator", "recorder")
OBJECT_STORE = ("object-store", "object-store-volume")
DEVELOPMENT = "development-only"
MARGIN_SECONDS = 5

Services = dict[str, dict[str, Any]]


def read(file: Path = COMPOSE) -> dict[str, Any]:
    parsed = yaml.safe_load(file.read_text())
    assert isinstance(parsed, dict)
    return parsed


def services(file: Path = COMPOSE) -> Services:
    found: Services = read(file)["services"]
    return found


def one_shots() -> set[str]:
    return {name for name, service in services().items() if service.get("restart") == "no"}


def conditions(service: dict[str, Any]) -> dict[str, str]:
    return {name: one["condition"] for name, one in service.get("depends_on", {}).items()}


def ours() -> Services:
    return {name: service for name, service in services().items() if "build" in service}


def default_of(text: str) -> str:
    """What compose makes of `${NAME:-default}` when nothing is set."""
    return re.sub(r"\$\{[A-Z0-9_]+(?::-([^}]*))?\}", lambda match: match[1] or "", text)


@pytest.mark.parametrize("file", [COMPOSE, *OVERRIDES], ids=lambda file: file.name)
def test_it_is_a_compose_file(file: Path) -> None:
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", str(file)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_system_is_all_there() -> None:
    assert set(SERVICES) | {"postgres", "rabbitmq", "object-store", "migrate"} <= set(services())


@pytest.mark.parametrize("name", sorted(services()))
def test_a_container_may_do_no_more_than_it_needs(name: str) -> None:
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service
    assert "pids_limit" in service
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert not service.get("privileged")
    if name != "object-store-volume":
        assert not service.get("cap_add")
        assert int(service["user"].partition(":")[0]) > 0


@pytest.mark.parametrize("name", sorted(services()))
def test_a_container_runs_for_good_or_once(name: str) -> None:
    service = services()[name]
    assert service["restart"] == ("no" if name in one_shots() else "unless-stopped")
    if name in one_shots():
        # `up --wait` fails on a container that ends, unless somebody waits for it to end.
        waiting = [conditions(other).get(name) for other in services().values()]
        assert "service_completed_successfully" in waiting


@pytest.mark.parametrize("name", sorted(set(services()) - one_shots()))
def test_health_is_asked_for_and_can_be_bad(name: str) -> None:
    service = services()[name]
    if "build" in service:
        assert stages()[service["build"]["target"]].effective("HEALTHCHECK") not in (None, "NONE")
        assert "healthcheck" not in service, "written once, in the Dockerfile"
    else:
        check = service["healthcheck"]
        assert check["test"][0] == "CMD", "no shell"
        assert not {"true", "echo"} & set(check["test"])
        assert {"interval", "timeout", "retries", "start_period"} <= check.keys()


@pytest.mark.parametrize("name", sorted(services()))
def test_dependencies_name_a_condition_that_can_come_true(name: str) -> None:
    for other, condition in conditions(services()[name]).items():
        assert other in services()
        once = other in one_shots()
        assert condition == ("service_completed_successfully" if once else "service_healthy")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_the_schema_and_for_what_it_talks_to(name: str) -> None:
    service = services()[name]
    needs = {"migrate", "postgres", "rabbitmq"}
    if "TALLYPORT_OBJECT_STORE_URL" in service["environment"]:
        needs.add("object-store")
    assert set(conditions(service)) == needs


@pytest.mark.parametrize("file", [COMPOSE, *OVERRIDES], ids=lambda file: file.name)
def test_ports_are_open_to_this_machine_only(file: Path) -> None:
    for name, service in services(file).items():
        for port in service.get("ports", []):
            assert str(port).startswith("127.0.0.1:"), name


def test_the_database_and_the_broker_have_no_way_out() -> None:
    assert read()["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "rabbitmq", "report_worker", "aggregator", "recorder", "migrate"):
        assert services()[name]["networks"] == ["inside"]
        assert "ports" not in services()[name]


def test_images_are_pinned() -> None:
    images = {name: default_of(one["image"]) for name, one in services().items() if "image" in one}
    assert set(images) == {
        *("postgres", "rabbitmq", "object-store", "object-store-volume"),
        *("prometheus", "grafana"),
    }
    for image in images.values():
        tag = image.rpartition("/")[2].partition(":")[2]
        assert re.search(r"\d+[.-]\d+", tag), f"{image}: which release?"


def test_one_variable_names_the_image_of_the_object_store() -> None:
    image = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"
    for name in OBJECT_STORE:
        assert services()[name]["image"] == f"${{TALLYPORT_OBJECT_STORE_IMAGE:-{image}}}"


def test_the_object_store_can_be_swapped_whole() -> None:
    ours, other = services(), services(ROOT / "deploy" / "compose.versitygw.yml")
    assert set(other) == set(OBJECT_STORE)
    images = {other[name]["image"] for name in OBJECT_STORE}
    assert len(images) == 1, "the volume is made ready with the image that uses it"
    assert re.fullmatch(r"versity/versitygw:v\d+\.\d+\.\d+", images.pop())
    # What one server is told means nothing to the other, and neither can read the other's folder.
    for changed in ("command", "healthcheck", "environment", "volumes"):
        assert other["object-store"][changed] != ours["object-store"][changed]
    assert not set(other["object-store"]["environment"]) & set(ours["object-store"]["environment"])
    for both in (ours, other):
        (volume,) = {volume for name in OBJECT_STORE for volume in both[name]["volumes"]}
        assert volume.endswith(":/data")


def test_the_health_of_minio_is_asked_with_what_its_image_has() -> None:
    """Its image has no curl on some processors, but its own client on all."""
    store = services()["object-store"]
    assert store["healthcheck"]["test"] == ["CMD", "mc", "ready", "local"]
    # The client waits until the server is well, so only a time-out can tell that it is not.
    assert 0 < int(store["healthcheck"]["timeout"].removesuffix("s")) <= 10
    # It writes its settings first, which a read-only file system would refuse.
    scratch = [mount.partition(":")[0] for mount in store["tmpfs"]]
    for folder in (store["environment"]["MC_CONFIG_DIR"], store["environment"]["HOME"]):
        assert folder.startswith(tuple(scratch))


@pytest.mark.parametrize("name", sorted(ours()))
def test_our_images_come_from_a_target_and_never_from_a_registry(name: str) -> None:
    service = ours()[name]
    assert service["build"]["target"] in stages()
    assert "image" not in service, "compose would try to pull a stranger's image of that name"
    if name in SERVICES:
        assert service["build"]["target"] == name


@pytest.mark.parametrize("name", [*SERVICES, "migrate"])
def test_our_processes_are_told_settings_that_exist(name: str) -> None:
    told = set(services()[name]["environment"])
    assert told <= set(fields_of_code())
    for override in OVERRIDES:
        overridden = services(override).get(name, {}).get("environment", {})
        assert set(overridden) <= told, override.name


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_told_every_setting_without_a_default(name: str) -> None:
    roots = [
        owner
        for owner in settings_classes()
        if owner.__module__ == f"services.{name}.settings"
        and any(is_block(field) for field in owner.model_fields.values())
    ]
    assert roots, f"services/{name}/settings.py composes no blocks"
    blocks = [field.annotation for root in roots for field in root.model_fields.values()]
    needed = {
        environment_name(block, field_name, field)
        for block in blocks
        if isinstance(block, type) and issubclass(block, BaseSettings)
        for field_name, field in block.model_fields.items()
        if field.is_required()
    }
    assert needed
    assert needed <= set(services()[name]["environment"])


@pytest.mark.parametrize("name", SERVICES)
def test_draining_ends_before_the_container_is_killed(name: str) -> None:
    drain = OperationsSettings.model_fields["drain_seconds"].default
    grace = float(services()[name]["stop_grace_period"].removesuffix("s"))
    assert grace >= drain + MARGIN_SECONDS


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_somebody_of_its_own(name: str) -> None:
    environment = services()[name]["environment"]
    secret = f"${{TALLYPORT_{name.upper()}_PASSWORD:-{DEVELOPMENT}}}"
    assert environment["TALLYPORT_DATABASE_URL"] == (
        f"postgresql://tallyport_{name}:{secret}@postgres:5432/tallyport"
    )
    assert environment["TALLYPORT_BROKER_URL"] == f"amqp://{name}:{secret}@rabbitmq:5672/"
    roles = (ROOT / "deploy" / "postgres" / "10-roles.sh").read_text()
    assert f"ALTER ROLE tallyport_{name} LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT" in roles


def test_every_development_secret_says_so() -> None:
    secrets = re.findall(r"\$\{([A-Z_]*(?:PASSWORD|SECRET_KEY))([^}]*)\}", COMPOSE.read_text())
    assert secrets
    assert {default for _, default in secrets} == {f":-{DEVELOPMENT}"}


def test_production_starts_with_no_secret_of_development() -> None:
    text = (ROOT / "deploy" / "compose.production.yml").read_text()
    assert ":-" not in text
    required = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    with_defaults = set(
        re.findall(r"\$\{([A-Z_]+):-" + DEVELOPMENT, COMPOSE.read_text()),
    )
    assert with_defaults <= required


def test_postgresql_notices_that_an_asker_is_gone() -> None:
    assert "--client_connection_check_interval=1000" in services()["postgres"]["command"]


def test_the_broker_s_definitions_are_those_of_the_code() -> None:
    written = json.loads((RABBITMQ / "definitions.json").read_text())
    assert written == definitions(), "write them anew: see deploy/README.md"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the broker loads, with a password of its own for each user."""
    target = tmp_path_factory.mktemp("broker") / "definitions.json"
    users = (*SERVICES, "producer", "admin")
    subprocess.run(
        [sys.executable, RABBITMQ / "add_users.py", RABBITMQ / "definitions.json", target],
        env={**os.environ, **{f"{user.upper()}_PASSWORD": f"{user}'s own" for user in users}},
        timeout=60,
        check=True,
    )
    made = json.loads(target.read_text())
    assert isinstance(made, dict)
    return made


def test_each_service_gets_a_broker_user_with_its_password(broker: dict[str, Any]) -> None:
    assert {user["name"] for user in broker["users"]} == {*SERVICES, "producer", "admin"}
    for user in broker["users"]:
        raw = base64.b64decode(user["password_hash"])
        assert raw[4:] == hashlib.sha256(raw[:4] + f"{user['name']}'s own".encode()).digest()
        assert user["tags"] == []
    assert {key: broker[key] for key in definitions()} == definitions()


def test_a_broker_user_without_a_password_is_refused(tmp_path: Path) -> None:
    refused = subprocess.run(
        [
            *(sys.executable, RABBITMQ / "add_users.py"),
            *(RABBITMQ / "definitions.json", tmp_path / "definitions.json"),
        ],
        env={"PATH": os.environ["PATH"], "GATEWAY_PASSWORD": "given"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode != 0
    assert "ADMIN_PASSWORD" in refused.stderr
    assert not (tmp_path / "definitions.json").exists()


@pytest.mark.parametrize("queue", routes.QUEUES, ids=lambda queue: queue.name)
def test_a_queue_is_read_by_its_owner_alone(queue: routes.Queue, broker: dict[str, Any]) -> None:
    rights = {one["user"]: one for one in broker["permissions"]}
    readers = {user for user in SERVICES if re.search(rights[user]["read"], queue.name)}
    assert readers == {queue.owner.value}
    assert not [user for user in SERVICES if re.search(rights[user]["configure"], queue.name)]


def test_replies_find_their_way_back(broker: dict[str, Any]) -> None:
    rights = {one["user"]: one for one in broker["permissions"]}
    reply_queue = f"{REPLY_QUEUE_PREFIX}gateway.1"
    for right in ("configure", "write", "read"):
        assert re.search(rights["gateway"][right], reply_queue)
    assert re.search(rights["gateway"]["read"], routes.REPLIES)
    for user in ("report_worker", "aggregator", "recorder"):
        assert re.search(rights[user]["write"], routes.REPLIES)
        assert not re.search(rights[user]["write"], "amq.default")
        assert re.search(rights[user]["write"], routes.DEAD)
        assert not re.search(rights[user]["read"], reply_queue)
    assert not re.search(rights["aggregator"]["write"], routes.COMMANDS)
    assert re.search(rights["aggregator"]["write"], routes.WISHES)


def test_cancellations_find_their_way(broker: dict[str, Any]) -> None:
    rights = {one["user"]: one for one in broker["permissions"]}
    cancel_queue = f"{CANCEL_QUEUE_PREFIX}aggregator.1"
    assert re.search(rights["gateway"]["write"], routes.CANCELLATIONS)
    for right in ("configure", "write", "read"):
        allowed = {user for user in SERVICES if re.search(rights[user][right], cancel_queue)}
        assert allowed == {"aggregator"}, right
    # To bind its queue to it, and no more.
    assert re.search(rights["aggregator"]["read"], routes.CANCELLATIONS)
    for right in ("configure", "write"):
        assert not re.search(rights["aggregator"][right], routes.CANCELLATIONS)
    for user in ("report_worker", "recorder"):
        assert not re.search(rights[user]["write"], routes.CANCELLATIONS)


def test_the_broker_takes_the_largest_message_there_is() -> None:
    configured = (RABBITMQ / "rabbitmq.conf").read_text()
    found = re.search(r"^max_message_size = (\d+)$", configured, re.MULTILINE)
    assert found
    assert int(found[1]) > max(queue.body_bytes_max for queue in routes.QUEUES)
