"""Lock files know packages by their hashes, and no address that they could be had from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON_LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))


def test_there_is_a_lock_for_what_runs_what_develops_and_what_builds_the_page() -> None:
    assert {"requirements.lock", "requirements-dev.lock", "requirements-ui.lock"} <= {*PYTHON_LOCKS}


@pytest.mark.parametrize("name", PYTHON_LOCKS)
def test_every_python_package_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)


def test_every_package_of_the_page_has_a_hash_and_no_address() -> None:
    packages = json.loads((ROOT / "ui" / "package-lock.json").read_text())["packages"]
    assert packages.pop("")["name"] == "tallyport-page"
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
    settings = (ROOT / "ui" / ".npmrc").read_text().splitlines()
    assert {"ignore-scripts=true", "omit-lockfile-registry-resolved=true"} <= {*settings}
    assert not any("registry=" in line for line in settings)
