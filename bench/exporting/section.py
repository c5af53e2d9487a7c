"""The section "Exporting" of `docs/benchmarks.md`, and the same on the terminal.

Comes in: figures, verdicts, and where and when they were taken. Goes out: text.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil
from rich.console import Console
from rich.table import Table

from bench.exporting.goals import OURS, Figures, median
from bench.exporting.usage import MIB, Usage
from bench.page import GOALS, Rows, Verdict, goal_rows, markdown, reached

WAYS = ["way", "seconds", "rows a second", "MB a second", "processor seconds", "peak MiB", "MB out"]
FORMATS = [
    "format",
    "seconds",
    "rows a second",
    "processor seconds of the worker",
    "peak MiB",
    "MB",
]


@dataclass(frozen=True)
class Setting:
    """Under which circumstances. `csv_bytes`: of the file, unpacked, by rows."""

    command: str
    commit: str
    rounds: int
    csv_bytes: dict[int, int]
    formats_rows: int
    load_before: float
    notes: Sequence[str]


def section(figures: Figures, verdicts: Sequence[Verdict], setting: Setting) -> str:
    parts = ["## Exporting", _setting(setting)]
    parts += [
        (
            f"Before any time was taken, {figures.rows_compared:,} rows of ours and of the task "
            f"with a cursor were compared, and {figures.complete_rows_compared:,} rows of the nine "
            "files of `complete` with psql's; they agree."
        ),
        reached(verdicts),
        markdown(GOALS, goal_rows(verdicts)),
        (
            "The MB are those of the file before it is packed. Ours ends with an object in the "
            "store; psql's ways end with a file on the disk."
        ),
    ]
    for rows, ways in figures.ways.items():
        title = f"### {rows:,} rows, {setting.csv_bytes[rows] / 1e6:,.0f} MB of CSV"
        parts += [title, markdown(WAYS, way_rows(rows, ways, setting.csv_bytes[rows]))]
    if figures.complete:
        title = (
            f"### `complete`, {figures.complete_rows:,} rows in nine files, "
            f"{figures.complete_bytes / 1e6:,.0f} MB of CSV"
        )
        rows_shown = way_rows(figures.complete_rows, figures.complete, figures.complete_bytes)
        parts += [title, markdown(WAYS, rows_shown)]
    parts += [
        f"### The formats, {setting.formats_rows:,} rows",
        markdown(FORMATS, format_rows(figures, setting.formats_rows)),
        "### A short report beside long ones",
        markdown(["", "begun after, s", "ready after, s", "times"], waiting_rows(figures)),
    ]
    if setting.notes:
        parts += ["### Notes", "\n".join(f"- {note}" for note in setting.notes)]
    return "\n\n".join(parts)


def show(figures: Figures, verdicts: Sequence[Verdict], setting: Setting) -> None:
    console = Console(width=160)
    tables = [
        (f"{rows:,} rows", WAYS, way_rows(rows, ways, setting.csv_bytes[rows]))
        for rows, ways in figures.ways.items()
    ]
    if figures.complete:
        rows_shown = way_rows(figures.complete_rows, figures.complete, figures.complete_bytes)
        tables.append(("complete", WAYS, rows_shown))
    tables.append(("formats", FORMATS, format_rows(figures, setting.formats_rows)))
    tables.append(("goals", GOALS, goal_rows(verdicts)))
    for title, head, rows_shown in tables:
        table = Table(*head, title=title)
        for row in rows_shown:
            table.add_row(*row)
        console.print(table)


def way_rows(rows: int, ways: dict[str, list[Usage]], csv_bytes: int) -> Rows:
    shown = []
    for name, taken in ways.items():
        seconds = median(taken)
        first = taken[0]
        parts = ", ".join(f"{who} {used:,.1f}" for who, used in first.processor.items())
        shown.append(
            [
                name,
                f"{seconds:,.2f}",
                f"{rows / seconds:,.0f}",
                f"{csv_bytes / seconds / 1e6:,.1f}",
                f"{first.processor_seconds:,.1f} ({parts})",
                f"{max(usage.peak_mib for usage in taken):,.0f}" if first.peak_mib else "",
                f"{first.bytes_out / 1e6:,.1f}" if first.bytes_out else "",
            ]
        )
    return shown


def format_rows(figures: Figures, rows: int) -> Rows:
    return [
        [
            name,
            f"{usage.seconds:,.2f}",
            f"{rows / usage.seconds:,.0f}",
            f"{usage.processor['worker']:,.1f}",
            f"{usage.peak_mib:,.0f}",
            f"{usage.bytes_out / MIB:,.1f}",
        ]
        for name, usage in figures.formats.items()
    ]


def waiting_rows(figures: Figures) -> Rows:
    found = {"alone": figures.alone, "beside three long ones": figures.beside}
    return [
        [name, f"{waiting.begun:.3f}", f"{waiting.ready:.3f}", str(waiting.times)]
        for name, waiting in found.items()
        if waiting is not None
    ]


def _setting(setting: Setting) -> str:
    memory = psutil.virtual_memory().total / 2**30
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {setting.commit}: `{setting.command}`",
        (
            "`customers`: those of one store, 29 columns, half of them addresses, every second one "
            "with an order; `complete`: two years of a store's transactions, its control totals "
            "checked"
        ),
        (
            f"{psutil.cpu_count()} cores, {memory:.0f} GB, {platform.system()}; "
            f"load average {setting.load_before:.1f} when it began"
        ),
        f"Python {platform.python_version()}, PostgreSQL 18, Swift as the object store",
        (f"medians of {setting.rounds} runs of ours and of zip -1, in turns; all else ran once"),
    ]
    return "\n".join(f"- {line}" for line in lines)


__all__ = ["OURS", "Setting", "section", "show"]
