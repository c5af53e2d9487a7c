"""What the figures say about goals 6 and 7.

Comes in: `Figures`, everything that was measured. Goes out: verdicts. A ratio says how many times
as fast ours is, unless it says otherwise.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.exporting.pipes import NINE_ZIP, ZIP
from bench.exporting.usage import Usage
from bench.exporting.waiting import Waiting
from bench.page import Verdict

OURS = "Tallyport, POST to finished object"
TASK = "task: cursor, csv.writer, one upload"
PANDAS = "pandas: read_sql, to_csv, one upload"
PEAK_MIB_MAX = 200.0
WAITS_SECONDS_MAX = 0.25


@dataclass
class Figures:
    # By rows, then by way; of formats, by name, for one size.
    ways: dict[int, dict[str, list[Usage]]] = field(default_factory=dict)
    formats: dict[str, Usage] = field(default_factory=dict)
    # `complete`, by way; its rows and bytes are those of its nine files together, unpacked.
    complete: dict[str, list[Usage]] = field(default_factory=dict)
    complete_rows: int = 0
    complete_bytes: int = 0
    complete_rows_compared: int = 0
    alone: Waiting | None = None
    beside: Waiting | None = None
    rows_compared: int = 0


def median(taken: list[Usage]) -> float:
    return statistics.median(usage.seconds for usage in taken)


def verdicts(figures: Figures) -> list[Verdict]:
    return [*_speed(figures), *_complete(figures), *_memory(figures), *_waiting(figures)]


def _speed(figures: Figures) -> Iterator[Verdict]:
    rows = max(figures.ways)
    ways = figures.ways[rows]
    ours = median(ways[OURS])
    for name, wanted in ((ZIP, 1.0), (TASK, 5.0), (PANDAS, 10.0)):
        # What is too slow to be run on all rows has been run on fewer.
        slower = ways.get(name)
        if slower is not None:
            yield Verdict("6", f"{rows:,} rows: times {name}", median(slower) / ours, wanted)
            continue
        fewer = [count for count, taken in figures.ways.items() if name in taken]
        if fewer:
            count = max(fewer)
            ratio = median(figures.ways[count][name]) / median(figures.ways[count][OURS])
            yield Verdict("6", f"{count:,} rows: times {name}", ratio, wanted)


def _complete(figures: Figures) -> Iterator[Verdict]:
    if figures.complete:
        ratio = median(figures.complete[NINE_ZIP]) / median(figures.complete[OURS])
        yield Verdict(
            "6", f"complete, {figures.complete_rows:,} rows: times {NINE_ZIP}", ratio, 1.0
        )


def _memory(figures: Figures) -> Iterator[Verdict]:
    peaks = {
        rows: max(usage.peak_mib for usage in ways[OURS]) for rows, ways in figures.ways.items()
    }
    fewest, most = min(peaks), max(peaks)
    if fewest < most:
        what = f"worker's peak memory at {most:,} rows, of that at {fewest:,}"
        yield Verdict("6", what, peaks[most] / peaks[fewest], 1.2, at_most=True)
    most_of_all = max(
        usage.peak_mib
        for taken in (
            *(ways[OURS] for ways in figures.ways.values()),
            figures.complete.get(OURS, []),
        )
        for usage in taken
    )
    yield Verdict("6", "worker's peak memory, MiB", most_of_all, PEAK_MIB_MAX,
                  at_most=True, digits=0)  # fmt: skip
    for name, usage in figures.formats.items():
        yield Verdict("6", f"worker's peak memory, {name}, MiB", usage.peak_mib, PEAK_MIB_MAX,
                      at_most=True, digits=0)  # fmt: skip


def _waiting(figures: Figures) -> Iterator[Verdict]:
    if figures.alone and figures.beside:
        longer = figures.beside.begun - figures.alone.begun
        yield Verdict("7", "seconds that a short report waits longer beside long ones", longer,
                      WAITS_SECONDS_MAX, at_most=True)  # fmt: skip
