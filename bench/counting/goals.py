"""What the figures say about each goal: yes or no, and by how much.

Comes in: `Figures`, everything that was measured. Goes out: `Verdict`s. A ratio says how many times
better ours is, so more is better everywhere; the goal is what it must reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bench.counting.freshness import Freshness
from bench.counting.load import Load
from bench.counting.rounds import Table
from bench.counting.writing import Writers, Writing
from bench.page import Verdict

OURS = "Tallyport over HTTP"
TENTH = "Tallyport, a tenth of the items"
RAW = "bare SQL, the product's table"
PARTITIONED = "bare SQL, partition of its own"
ROLLUPS = "bare SQL on our rollups"
DUCKDB = "DuckDB"
CLICKHOUSE = "ClickHouse (chdb)"
CUBE = "Cube"
CUBE_CACHED = "Cube, from its result cache"

PLAIN = "aiohttp and asyncpg, no queue"
AIO_PIKA = "aio-pika's RPC pattern"
FASTSTREAM = "FastStream's RPC"
GATEWAY = "gateway"
BARE = "aiohttp, the same authentication"

# Level: as fast, give or take what two runs of the same differ by.
LEVEL = 0.95
_RAW = {"a": 15.0, "b": 50.0, "c": 50.0, "d": 15.0}
_COLUMNAR = {"a": LEVEL, "b": 5.0, "c": 5.0, "d": 1.5}


@dataclass
class Figures:
    quiet: Table = field(default_factory=dict)
    recording: Table = field(default_factory=dict)
    # By callers, then by who answers.
    hop: dict[int, dict[str, Load]] = field(default_factory=dict)
    # By question, at 16 callers, while items are recorded.
    crowd: dict[str, Load] = field(default_factory=dict)
    alone: dict[str, Load] = field(default_factory=dict)
    writing: Writing | None = None
    writers: list[Writers] = field(default_factory=list)
    freshness: Freshness | None = None
    cells: int = 0


def verdicts(figures: Figures) -> list[Verdict]:
    return [
        *_speed(figures.recording),
        *_crowd(figures),
        *_hop(figures.hop),
        *_freshness(figures.freshness),
        *_writing(figures),
        *_growth(figures.quiet),
        *_gateway(figures.alone),
    ]


def _speed(table: Table) -> Iterator[Verdict]:
    engines = {engine for _, engine in table}
    for question, wanted in _RAW.items():
        raw = min(table[question, name].median for name in (RAW, PARTITIONED))
        yield Verdict("1", f"{question}: times the best raw SQL", raw / _ours(table, question),
                      wanted, digits=1)  # fmt: skip
    for name in (CLICKHOUSE, DUCKDB):
        for question, wanted in _COLUMNAR.items():
            ratio = table[question, name].median / _ours(table, question)
            yield Verdict("1", f"{question}: times {name}", ratio, wanted)
    for name in (CUBE, CUBE_CACHED):
        for question in _RAW if name in engines else ():
            ratio = table[question, name].median / _ours(table, question)
            yield Verdict("1", f"{question}: times {name}", ratio, LEVEL)


def _ours(table: Table, question: str) -> float:
    return table[question, OURS].median


def _crowd(figures: Figures) -> Iterator[Verdict]:
    for question, load in figures.crowd.items():
        yield Verdict("1", f"{question}: p99 over p50 with 16 callers", load.p99 / load.median,
                      3.0, at_most=True)  # fmt: skip


def _hop(hop: Mapping[int, Mapping[str, Load]]) -> Iterator[Verdict]:
    for callers, loads in hop.items():
        if callers == 1:
            added = loads[OURS].median - loads[PLAIN].median
            yield Verdict("2", "milliseconds that the hop adds, 1 caller", added, 1.0, at_most=True)
        else:
            ratio = loads[OURS].rate / loads[PLAIN].rate
            yield Verdict("2", f"throughput of no queue at all, {callers} callers", ratio, 0.9)
            ordinary = loads[OURS].rate / loads[FASTSTREAM].rate
            yield Verdict("2", f"times FastStream's RPC, {callers} callers", ordinary, 3.0)


def _freshness(found: Freshness | None) -> Iterator[Verdict]:
    if found is not None:
        what = f"of {found.questions:,} questions, those that missed an answered write"
        yield Verdict("3", what, found.stale, 0, at_most=True, digits=0)


def _writing(figures: Figures) -> Iterator[Verdict]:
    if (found := figures.writing) is None:
        return
    copied = found.copied
    yield Verdict("4", "rows a second of a bare COPY, the recorder's use case",
                  found.recorded / copied, 0.6)  # fmt: skip
    yield Verdict("4", "the same until everything is folded",
                  found.recorded_and_folded / copied, 0.6)  # fmt: skip
    yield Verdict("4", "the same through HTTP and RabbitMQ", found.over_http / copied, 0.6)
    one, many = figures.writers
    # A hundred who stand in one another's way are no faster together than one alone.
    yield Verdict("4", "100 small writers together, times one alone", many.rate / one.rate, 1.0)


def _growth(table: Table) -> Iterator[Verdict]:
    for question in _RAW:
        ratio = table[question, OURS].median / table[question, TENTH].median
        yield Verdict("5", f"{question}: cost of ten times the items", ratio, 1.3, at_most=True)


def _gateway(alone: Mapping[str, Load]) -> Iterator[Verdict]:
    if alone:
        ratio = alone[GATEWAY].rate / alone[BARE].rate
        yield Verdict("8", "of a bare aiohttp handler, 64 callers", ratio, 0.8)
