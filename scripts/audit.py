#!/usr/bin/env python3
"""Ask the advisory services about every version in the lock files.

Comes in: *.lock, `audit-exceptions.toml`, and pip-audit (or what `--tool` names). Goes out: 1 and
the advisories when a locked version has a known vulnerability that is not excepted; 0 when none
has, and also when nobody could be asked, which is said: whether our code is sound does not depend
on whether somebody else's service answers. All of it takes at most `--seconds`.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / ".venv" / "bin" / "pip-audit"
SERVICES = ("pypi", "osv")
REQUEST_SECONDS = 5
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^ ;\\]+)")
# What is between pip-audit's end and ours when nothing answers.
LAST_WORDS_MAX = 200


class NobodyAnswersError(Exception):
    """The advisory service could not be asked, or knows nothing of what it was asked."""


@dataclass(frozen=True)
class Advisory:
    """A known vulnerability of a version in our locks."""

    package: str
    version: str
    names: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.package} {self.version}: {', '.join(self.names)} ({fixed})"


@dataclass(frozen=True)
class Excepted:
    """An advisory that we live with: which, of what, why, and until when."""

    package: str
    name: str
    reason: str
    until: date


def main() -> int:
    arguments = _arguments()
    excepted = exceptions(arguments.exceptions)
    deadline = time.monotonic() + arguments.seconds
    reasons = []
    for service in SERVICES:
        try:
            found, skipped = ask(pins(arguments.locks), arguments.tool, service, deadline)
        except NobodyAnswersError as error:
            reasons.append(f"{service}: {error}")
            continue
        return judge(found, skipped, excepted)
    print(
        f"audit: NOT CHECKED, no advisory service answers ({'; '.join(reasons)})", file=sys.stderr
    )
    return 0


def judge(found: list[Advisory], skipped: list[str], excepted: list[Excepted]) -> int:
    """Say what is wrong; 1 if something is."""
    today = datetime.now(UTC).date()
    valid = {(one.package, one.name) for one in excepted if one.until >= today}
    wrong = [one for one in found if not any((one.package, name) in valid for name in one.names)]
    for advisory in wrong:
        print(f"audit: {advisory}", file=sys.stderr)
    for one in excepted:
        if one.until < today:
            print(f"audit: the exception for {one.package} {one.name} ended {one.until}")
        elif not any(one.package == a.package and one.name in a.names for a in found):
            print(f"audit: the exception for {one.package} {one.name} is of no use any more")
    if skipped:
        print(f"audit: nothing is known of {', '.join(skipped)}", file=sys.stderr)
    if wrong:
        print("audit: raise them (make lock), or give the reason in audit-exceptions.toml")
    return 1 if wrong else 0


def pins(locks: list[Path]) -> dict[str, set[str]]:
    """Name to versions: a lock may have several, for several platforms."""
    found: dict[str, set[str]] = {}
    for lock in locks:
        for line in lock.read_text(encoding="utf-8").splitlines():
            if match := PIN.match(line):
                found.setdefault(canonical(match[1]), set()).add(match[2])
    return found


def canonical(name: str) -> str:
    """As registries compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def exceptions(path: Path) -> list[Excepted]:
    """Raises SystemExit when one lacks its reason or its date."""
    if not path.exists():
        return []
    read = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("exception", []):
        until = entry.get("until")
        texts = [entry.get(name) for name in ("package", "name", "reason")]
        if type(until) is not date or not all(isinstance(t, str) and t.strip() for t in texts):
            sys.exit(f"{path.name}: each exception has package, name, reason, and until (a date)")
        read.append(Excepted(canonical(texts[0]), texts[1], texts[2], until))
    return read


def ask(
    wanted: dict[str, set[str]], tool: Path, service: str, deadline: float
) -> tuple[list[Advisory], list[str]]:
    """(advisories, packages that the service does not know). Raises NobodyAnswersError."""
    advisories, skipped, known = [], [], 0
    for round_ in _rounds(wanted):
        for entry in _run(tool, service, round_, deadline):
            if "skip_reason" in entry:
                skipped.append(entry["name"])
                continue
            known += 1
            advisories += [_advisory(entry, one) for one in entry.get("vulns", [])]
    if not known:
        raise NobodyAnswersError("it knows none of our packages")
    return advisories, skipped


def _rounds(wanted: dict[str, set[str]]) -> Iterator[list[str]]:
    """pip-audit takes one version of a package at a time."""
    left = {name: sorted(versions) for name, versions in wanted.items()}
    while left:
        yield [f"{name}=={versions.pop()}" for name, versions in left.items()]
        left = {name: versions for name, versions in left.items() if versions}


def _run(tool: Path, service: str, pinned: list[str], deadline: float) -> list[dict[str, Any]]:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise NobodyAnswersError("no time is left")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pinned))
        file.flush()
        command = [
            *(str(tool), "--vulnerability-service", service, "--requirement", file.name),
            *("--disable-pip", "--no-deps", "--progress-spinner", "off", "--format", "json"),
            *("--timeout", str(REQUEST_SECONDS)),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise NobodyAnswersError(f"no answer within {seconds:.0f} s") from None
    try:
        dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        words = done.stderr.strip().splitlines() or ["no answer"]
        raise NobodyAnswersError(words[-1][:LAST_WORDS_MAX]) from None
    return dependencies


def _advisory(entry: dict[str, Any], one: dict[str, Any]) -> Advisory:
    names = (one["id"], *one.get("aliases", []))
    return Advisory(canonical(entry["name"]), entry["version"], names, tuple(one["fix_versions"]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Known vulnerabilities of what is locked.")
    parser.add_argument("locks", nargs="*", type=Path, default=sorted(ROOT.glob("*.lock")))
    parser.add_argument("--tool", type=Path, default=TOOL)
    parser.add_argument("--exceptions", type=Path, default=ROOT / "audit-exceptions.toml")
    parser.add_argument("--seconds", type=float, default=60.0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
