"""The page: section "Counting" of `docs/benchmarks.md`, and the same on the terminal.

Comes in: figures, verdicts, and where and when they were taken. Goes out: text between two marks;
what else stands on the page is left alone.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table as RichTable

from bench import page
from bench.counting.goals import OURS, Figures
from bench.counting.questions import QUESTIONS
from bench.counting.rounds import Table
from bench.page import GOALS, Rows, Verdict, goal_rows, markdown, reached


@dataclass(frozen=True)
class Setting:
    """Under which circumstances."""

    command: str
    commit: str
    items: int
    largest: int
    rounds: int
    slow_rounds: int
    items_a_second: int
    load_before: float
    load_behind: float
    versions: dict[str, str]
    notes: Sequence[str]


def write(path: Path, text: str) -> None:
    """Put the section into the page, in place of the last one."""
    page.write(path, "counting", text)


def section(figures: Figures, verdicts: Sequence[Verdict], setting: Setting) -> str:
    """The section as Markdown."""
    parts = [
        "## Counting",
        _setting(setting),
        f"Before any time was taken, {figures.cells:,} cells were compared; all engines agree.",
        reached(verdicts),
        markdown(GOALS, goal_rows(verdicts)),
        "### The questions",
        "\n".join(f"- ({question.name}) {question.text}" for question in QUESTIONS),
        "### While items are recorded",
        markdown(*time_rows(figures.recording)),
        "### While nothing is recorded",
        markdown(*time_rows(figures.quiet)),
        "### Where our time goes",
        "Of the median over HTTP, what the aggregator spent with the database (Server-Timing).",
        markdown(["question", "plan", "total ms", "database ms", "rest ms"], split_rows(figures)),
        "### The hop",
        "Sum by month from ever another day on, the same statements behind every way.",
        markdown(["callers", "way", "a second", "median ms", "p99 ms"], hop_rows(figures)),
        "### Recording",
        markdown(["what", "a second"], writing_rows(figures)),
        markdown(
            ["writers of one item", "writes a second", "median ms", "p99 ms"], writer_rows(figures)
        ),
    ]
    if setting.notes:
        parts += ["### Notes", "\n".join(f"- {note}" for note in setting.notes)]
    return "\n\n".join(parts)


def show(figures: Figures, verdicts: Sequence[Verdict]) -> None:
    """The tables on the terminal."""
    console = Console(width=160)
    for title, (head, rows) in (
        ("while items are recorded: median (p99), milliseconds", time_rows(figures.recording)),
        ("nothing recorded: median (p99), milliseconds", time_rows(figures.quiet)),
        ("the hop", (["callers", "way", "a second", "median ms", "p99 ms"], hop_rows(figures))),
        ("recording", (["what", "a second"], writing_rows(figures))),
        ("goals", (GOALS, goal_rows(verdicts))),
    ):
        table = RichTable(*head, title=title)
        for row in rows:
            table.add_row(*row)
        console.print(table)


def time_rows(table: Table) -> tuple[list[str], Rows]:
    questions = list(dict.fromkeys(question for question, _ in table))
    engines = list(dict.fromkeys(engine for _, engine in table))
    rows = []
    for engine in engines:
        cells = [table.get((question, engine)) for question in questions]
        shown = [f"{_ms(c.median)} ({_ms(c.p99)})" if c and c.taken else "" for c in cells]
        rows.append([engine, *shown])
    return ["median (p99), ms", *questions], rows


def split_rows(figures: Figures) -> Rows:
    rows = []
    for (question, engine), times in figures.quiet.items():
        database = times.database_median
        if engine == OURS and database is not None:
            rest = _ms(times.median - database)
            rows.append([question, times.plan, _ms(times.median), _ms(database), rest])
    return rows


def hop_rows(figures: Figures) -> Rows:
    rows = [
        [str(callers), name, f"{load.rate:,.0f}", _ms(load.median), _ms(load.p99)]
        for callers, loads in figures.hop.items()
        for name, load in loads.items()
    ]
    rows += [
        ["16", f"ours, ({name}), while items are recorded", f"{load.rate:,.0f}",
         _ms(load.median), _ms(load.p99)]
        for name, load in figures.crowd.items()
    ]  # fmt: skip
    rows += [
        ["64", name, f"{load.rate:,.0f}", _ms(load.median), _ms(load.p99)]
        for name, load in figures.alone.items()
    ]
    return rows


def writing_rows(figures: Figures) -> Rows:
    if figures.writing is None:
        return []
    w = figures.writing
    return [
        ["bare COPY, the same rows and indexes (but the one by version), as many items there",
         f"{w.copied:,.0f}"],
        ["the same into an empty table", f"{w.copied_empty:,.0f}"],
        ["likewise, with the foreign key that the table had before rollups",
         f"{w.copied_checked:,.0f}"],
        ["the recorder's use case, five rollups kept", f"{w.recorded:,.0f}"],
        ["the same, until all is folded", f"{w.recorded_and_folded:,.0f}"],
        ["through HTTP and RabbitMQ, five rollups kept", f"{w.over_http:,.0f}"],
        ["the same, until all is folded", f"{w.over_http_and_folded:,.0f}"],
        *([f"CPU seconds of 100,000 rows through HTTP: {name}", f"{seconds:.2f}"]
          for name, seconds in w.cpu.items()),
    ]  # fmt: skip


def writer_rows(figures: Figures) -> Rows:
    return [[str(w.callers), f"{w.rate:,.0f}", _ms(w.median), _ms(w.p99)] for w in figures.writers]


def _setting(setting: Setting) -> str:
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version}" for name, version in setting.versions.items())
    asked = f"{setting.largest:,} of them in the one that is asked about, over two years"
    cores = f"{psutil.cpu_count()} cores, {memory:.0f} GB, {platform.system()}"
    load = f"{setting.load_before:.1f} before, {setting.load_behind:.1f} behind"
    slow = f"{setting.slow_rounds} for bare SQL and Cube"
    runs = f"medians of {setting.rounds} runs ({slow}), engines in turns"
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {setting.commit}: `{setting.command}`",
        f"{setting.items:,} items in 20 registers, {asked}",
        f"{cores}; load average {load}",
        f"Python {platform.python_version()}, {versions}",
        f"{runs}, each asked once more just before, untimed",
        f"meanwhile, where it says so, {setting.items_a_second} items a second recorded over HTTP",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _ms(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
