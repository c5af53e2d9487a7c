"""`.env.example` and the code say the same: every setting, its default, and nothing else.

A line `NAME=value` is a setting without a default, with an example. A line `#NAME=value` shows the
default. Names that only the compose files know stand in the last section.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("shared", "services", "cli", "devstack")
COMPOSE_ONLY = "# === Read by docker compose only ==="
LINE = re.compile(r"^(?P<comment>#?)(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
INTERPOLATED = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::?-([^}]*))?")


def settings_modules() -> Iterator[ModuleType]:
    """Every module named `settings`; only a package above one is imported to find it."""
    for package in PACKAGES:
        paths = [str(ROOT / package)]
        for found in pkgutil.walk_packages(paths, prefix=f"{package}.", onerror=lambda _: None):
            if found.name.rpartition(".")[2] == "settings":
                yield importlib.import_module(found.name)


def settings_classes() -> set[type[BaseSettings]]:
    return {
        value
        for module in settings_modules()
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseSettings) and value is not BaseSettings
    }


def environment_name(owner: type[BaseSettings], name: str, field: FieldInfo) -> str:
    """The variable: the first alias if there is one (it takes no prefix), else prefix and name."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = alias.choices[0]
    assert not isinstance(alias, AliasPath), f"{owner.__name__}.{name}: no rule for a path"
    return (alias or f"{owner.model_config.get('env_prefix', '')}{name}").upper()


def read_as(field: FieldInfo, written: str) -> Any:
    """The value that the text of a variable becomes."""
    adapter: TypeAdapter[Any] = TypeAdapter(Any if field.annotation is None else field.annotation)
    return adapter.validate_python(written)


def is_block(field: FieldInfo) -> bool:
    kind = field.annotation
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def fields_of_code() -> dict[str, list[FieldInfo]]:
    found: dict[str, list[FieldInfo]] = {}
    for owner in settings_classes():
        for name, field in owner.model_fields.items():
            if not is_block(field):
                found.setdefault(environment_name(owner, name, field), []).append(field)
    return found


def documented() -> dict[str, tuple[bool, str]]:
    """Name to (has a default, the value written there), for all but the compose section."""
    lines = (ROOT / ".env.example").read_text().partition(COMPOSE_ONLY)[0].splitlines()
    return {m["name"]: (m["comment"] == "#", m["value"]) for m in map(LINE.match, lines) if m}


def documented_for_compose() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().partition(COMPOSE_ONLY)[2].splitlines()
    return {m["name"]: m["value"] for m in map(LINE.match, lines) if m}


def interpolated_by_compose() -> dict[str, set[str]]:
    """Name to the defaults that the compose files give it."""
    found: dict[str, set[str]] = {}
    for file in (ROOT / "docker-compose.yml", *(ROOT / "deploy").glob("*compose.*.yml")):
        for name, default in INTERPOLATED.findall(file.read_text()):
            found.setdefault(name, set()).update({default} if default else ())
    return found


def default_of(fields: list[FieldInfo]) -> tuple[bool, Any]:
    """(there is one, what it is). A setting that somebody requires has none."""
    if any(field.is_required() for field in fields):
        return False, None
    defaults = [field.get_default(call_default_factory=True) for field in fields]
    assert all(default == defaults[0] for default in defaults), f"two defaults: {defaults}"
    return True, defaults[0]


def test_there_are_settings_to_compare() -> None:
    assert {"TALLYPORT_DATABASE_URL", "DOWNLOAD_LINK_SECONDS", "REPORT_RETENTION_DAYS"} <= set(
        fields_of_code()
    )


def test_every_setting_is_documented_and_nothing_else() -> None:
    code, page = set(fields_of_code()), set(documented())
    assert code - page == set(), "settings that .env.example does not mention"
    assert page - code == set(), ".env.example mentions what no settings class reads"


@pytest.mark.parametrize("name", sorted(documented()))
def test_a_documented_default_is_the_code_s(name: str) -> None:
    fields = fields_of_code().get(name)
    if fields is None:
        pytest.fail(f"{name} is no setting")
    has_default, written = documented()[name]
    exists, default = default_of(fields)
    assert has_default == exists, "commented out means: has a default"
    if not exists:
        assert written, "a setting without a default shows an example"
    elif default is None:
        assert written == "", "nothing is the default"
    else:
        assert read_as(fields[0], written) == default


def test_every_setting_is_explained_on_the_line_above() -> None:
    lines = (ROOT / ".env.example").read_text().partition(COMPOSE_ONLY)[0].splitlines()
    for above, line in itertools.pairwise(lines):
        if LINE.match(line):
            assert above.startswith("# "), f"{line}: what is it?"


def test_names_are_written_once() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    names = [match["name"] for match in map(LINE.match, lines) if match]
    assert len(names) == len(set(names))


def test_what_compose_reads_is_documented_and_nothing_else() -> None:
    read = set(interpolated_by_compose())
    assert read - set(documented()) - set(documented_for_compose()) == set()
    assert set(documented_for_compose()) - read == set()


@pytest.mark.parametrize("name", sorted(documented_for_compose()))
def test_a_documented_compose_default_is_the_file_s(name: str) -> None:
    # Nothing written is no default: compose refuses to start without a value.
    assert interpolated_by_compose()[name] == {documented_for_compose()[name]} - {""}
