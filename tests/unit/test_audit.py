"""`scripts/audit.py`: what fails a build, what does not, and that it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
VULNERABLE = {
    "name": "left_pad",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.1"]}],
}
FINE = {"name": "right-pad", "version": "2.0", "vulns": []}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "some.lock"
    path.write_text(
        "# a comment\nleft-pad==1.0 \\\n    --hash=sha256:00\n"
        "right-pad[extra]==2.0 ; python_version < '3.12' \\\n    --hash=sha256:00\n"
        "right-pad==3.0 ; python_version >= '3.12' \\\n    --hash=sha256:00\n"
    )
    return path


def tool(tmp_path: Path, code: str) -> Path:
    """A pip-audit that does this; it writes down what it was asked."""
    path = tmp_path / "tool"
    asked = tmp_path / "asked"
    path.write_text(
        f"#!{sys.executable}\nimport json, sys, time\n"
        "file = sys.argv[sys.argv.index('--requirement') + 1]\n"
        f"open({str(asked)!r}, 'a').write(open(file).read() + '\\n')\n{code}\n"
    )
    path.chmod(0o755)
    return path


def says(*dependencies: dict[str, Any]) -> str:
    return f"print({json.dumps(json.dumps({'dependencies': dependencies}))}); sys.exit(1)"


def audit(tmp_path: Path, lock: Path, code: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, str(ROOT / "scripts" / "audit.py"), str(lock)),
            *("--tool", str(tool(tmp_path, code))),
            *("--exceptions", str(tmp_path / "exceptions.toml"), *more),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def except_it(tmp_path: Path, until: date, *, name: str = "CVE-1", reason: str = "no path") -> None:
    (tmp_path / "exceptions.toml").write_text(
        f'[[exception]]\npackage = "left-pad"\nname = "{name}"\n'
        f'reason = "{reason}"\nuntil = {until}\n'
    )


TODAY = datetime.now(UTC).date()


def test_a_known_vulnerability_fails(tmp_path: Path, lock: Path) -> None:
    done = audit(tmp_path, lock, says(VULNERABLE, FINE))
    assert done.returncode == 1
    assert "left-pad 1.0: PYSEC-1, CVE-1 (fixed in 1.1)" in done.stderr


def test_every_version_is_asked_about(tmp_path: Path, lock: Path) -> None:
    assert audit(tmp_path, lock, says(FINE)).returncode == 0
    asked = set((tmp_path / "asked").read_text().split())
    assert asked == {"left-pad==1.0", "right-pad==2.0", "right-pad==3.0"}


def test_what_is_excepted_with_a_reason_and_a_date_does_not(tmp_path: Path, lock: Path) -> None:
    except_it(tmp_path, TODAY)
    assert audit(tmp_path, lock, says(VULNERABLE)).returncode == 0


def test_until_its_date(tmp_path: Path, lock: Path) -> None:
    except_it(tmp_path, TODAY - timedelta(days=1))
    done = audit(tmp_path, lock, says(VULNERABLE))
    assert done.returncode == 1
    assert "ended" in done.stdout


@pytest.mark.parametrize("wrong", [{"name": "CVE-2"}, {"reason": " "}])
def test_another_one_or_one_without_a_reason_does_not_count(
    tmp_path: Path, lock: Path, wrong: dict[str, str]
) -> None:
    except_it(tmp_path, TODAY, **wrong)
    assert audit(tmp_path, lock, says(VULNERABLE)).returncode == 1


def test_an_exception_that_is_of_no_use_is_told(tmp_path: Path, lock: Path) -> None:
    except_it(tmp_path, TODAY)
    done = audit(tmp_path, lock, says(FINE))
    assert done.returncode == 0
    assert "of no use" in done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "sys.exit('name resolution failed')",
        "print('no json')",
        says({"name": "left-pad", "skip_reason": "not found"}),
        "sys.exit(0)",
    ],
)
def test_nobody_to_ask_does_not_fail_and_is_said(tmp_path: Path, lock: Path, code: str) -> None:
    done = audit(tmp_path, lock, code)
    assert done.returncode == 0
    assert "NOT CHECKED" in done.stderr


def test_it_ends(tmp_path: Path, lock: Path) -> None:
    began = time.monotonic()
    done = audit(tmp_path, lock, "time.sleep(300)", "--seconds", "1")
    assert (done.returncode, "NOT CHECKED" in done.stderr) == (0, True)
    assert time.monotonic() - began < 30
