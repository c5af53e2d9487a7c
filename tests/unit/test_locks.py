"""What is installed is what was locked: every version has its hashes, no lock has an address."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("*.lock"))
PIN = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z,]+\])?==[^ ]+( ; .+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
ADDRESS = re.compile(
    r"://|--(extra-)?index-url|--find-links|--trusted-host| @ |^-[ef] ", re.MULTILINE
)


def pins(lock: Path) -> list[list[str]]:
    """Each requirement as its pin and its hashes."""
    text = "\n".join(
        line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")
    )
    joined = text.replace(" \\\n    ", "\n    ")
    return [block.split("\n    ") for block in re.split(r"\n(?=\S)", joined) if block.strip()]


def test_all_locks_are_known() -> None:
    names = {lock.name for lock in LOCKS}
    assert {
        f"requirements{of}.lock" for of in ("", "-dev", "-bench", "-ui", "-chart", "-resolver")
    } <= names


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_its_hashes(lock: Path) -> None:
    found = pins(lock)
    assert found
    for pin, *hashes in found:
        assert PIN.fullmatch(pin), pin
        assert hashes, f"{pin} has no hash"
        assert all(HASH.fullmatch(one.strip()) for one in hashes), pin


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_lock_says_where_to_download_from(lock: Path) -> None:
    assert ADDRESS.search(lock.read_text()) is None


def test_what_is_declared_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for lock, extras in (
        ("requirements.lock", ()),
        ("requirements-dev.lock", ("devstack", "dev", "otel")),
    ):
        locked = {pin[0].partition("==")[0].partition("[")[0] for pin in pins(ROOT / lock)}
        declared = [*project["dependencies"]]
        for extra in extras:
            declared += project["optional-dependencies"][extra]
        names = {re.split(r"[\[=<>~! ]", one)[0].lower() for one in declared}
        assert names <= locked


def test_nothing_is_installed_without_hashes() -> None:
    """But for this checkout itself, which comes from nowhere."""
    found = 0
    for file in (ROOT / "Makefile", ROOT / "Dockerfile", *(ROOT / "scripts").glob("[!_]*")):
        text = file.read_text().replace("\\\n", " ")
        for line in text.splitlines():
            if line.lstrip().startswith("#") or not re.search(
                r"pip\W.*\b(install|download)\b", line
            ):
                continue
            found += 1
            is_own = "--editable ." in line and "--no-deps" in line
            assert is_own or "--require-hashes" in line, f"{file.name}: {line.strip()}"
    assert found >= 5


def test_every_package_of_the_page_has_a_hash_and_no_address() -> None:
    packages = json.loads((ROOT / "ui" / "package-lock.json").read_text())["packages"]
    assert packages.pop("")["name"] == "tallyport-page"
    for name, package in packages.items():
        if name.endswith("/left-out") or package.get("link"):  # not installed: nothing to fetch
            assert not package or package["resolved"].endswith("/left-out"), name
            continue
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
    settings = (ROOT / "ui" / ".npmrc").read_text().splitlines()
    assert {"ignore-scripts=true", "omit-lockfile-registry-resolved=true"} <= {*settings}
    assert not any("registry=" in line for line in settings)
