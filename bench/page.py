"""What the pages of all benchmarks have in common: verdicts, tables, and a section between marks.

Comes in: figures as text. Goes out: Markdown, put in the place of the last run's; what else stands
on the page is left alone.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

TITLE = "# Benchmarks\n\nRatios are the claim; absolute times belong to the machine.\n"
GOALS = ["goal", "what", "found", "wanted", "holds"]
ROOT = Path(__file__).resolve().parent.parent

Rows = list[list[str]]


@dataclass(frozen=True)
class Verdict:
    """`found` beside `wanted`; `at_most` where less is better."""

    goal: str
    what: str
    found: float
    wanted: float
    at_most: bool = False
    digits: int = 2

    @property
    def holds(self) -> bool:
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted

    @property
    def found_text(self) -> str:
        return f"{self.found:,.{self.digits}f}"

    @property
    def wanted_text(self) -> str:
        return f"{'at most' if self.at_most else 'at least'} {self.wanted:g}"


def goal_rows(verdicts: Iterable[Verdict]) -> Rows:
    return [
        [v.goal, v.what, v.found_text, v.wanted_text, "yes" if v.holds else "no"] for v in verdicts
    ]


def reached(verdicts: Sequence[Verdict]) -> str:
    failed = [v for v in verdicts if not v.holds]
    told = f"{len(verdicts) - len(failed)} of {len(verdicts)} figures reach their goal"
    return told + (f"; {len(failed)} do not." if failed else ".")


def markdown(head: Sequence[str], rows: Rows) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def write(path: Path, name: str, text: str) -> None:
    """Put the section of `make bench-{name}` into the page, in place of the last one."""
    begin, end = f"<!-- {name}: written by `make bench-{name}` -->", f"<!-- {name}: end -->"
    page = path.read_text() if path.exists() else TITLE
    section = f"{begin}\n{text.strip()}\n{end}\n"
    before, mark, rest = page.partition(begin)
    if mark:
        section = before + section + rest.partition(end)[2].lstrip("\n")
    else:
        section = f"{page.rstrip()}\n\n{section}"
    path.parent.mkdir(exist_ok=True)
    path.write_text(section)


def commit() -> str:
    argv = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or "unknown"
