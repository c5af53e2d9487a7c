"""Choose the cheapest plan that is exact for a question.

Comes in: the question, the register as it was seen last. Goes out: `Choice`: the
plan, about how many rows it reads, and the rollup that would have made it cheaper, if any.

Costs are in rows read, from what the rollups say they hold. They may be wrong; the answer is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.aggregator.cover import Cover, Stretch, cover
from services.aggregator.plans import RAW, Plan, Totals
from services.aggregator.registers import Seen
from services.aggregator.rollup_plan import Tail, rollup_plan
from shared.rollups.definitions import COLUMNS_MAX, Rollup
from shared.rollups.grid import COVER_END, COVER_START, Grain, Grid

_TICK = timedelta(microseconds=1)
# Seconds; of days, as long as most are.
_WIDTHS = {Grain.QUARTER: 900, Grain.HOUR: 3_600, Grain.DAY: 86_400}
# A stretch that is looked up costs about as much as reading this many rows.
_STRETCH_ROWS = 20
# An item costs more than a rollup's row: it is wider, and lies anywhere on the disk.
_ITEM_ROWS = 2
STRETCHES_MAX = 5_000
# So many writings may be behind: usually it is those of a fifth of a second.
TAIL_VERSIONS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Wish:
    """A rollup that questions like this one could be answered from."""

    grid: Grid
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    plan: Plan
    rows: float
    wish: Wish | None


@dataclass(frozen=True, slots=True)
class _Density:
    """How much there is a second, as told by a rollup of totals."""

    items_per_second: float

    @classmethod
    def of(cls, rollups: Sequence[Rollup]) -> _Density:
        per_second = [r.items_held / _span(r) for r in rollups if not r.columns]
        return cls(max(per_second, default=0.0))


def choose_plan(
    totals: Totals,
    known: Seen,
    *,
    overhead_rows: int,
    wish_rows_min: int,
) -> Choice:
    """`overhead_rows` is what a statement over rollups costs more than one over items, in rows;
    a question that reads more than `wish_rows_min` rows makes a wish."""
    usable = [
        r for r in known.rollups if r.synced_version >= 0 and r.is_current and not r.is_rejected
    ]
    if totals.has_extremes:
        usable = [r for r in usable if r.has_extremes]
    segments = _segments(totals)
    density = _Density.of(usable)
    # They follow one another without a gap.
    seconds = (segments[-1].high - segments[0].low).total_seconds() if segments else 0.0
    best = Choice(RAW, _held_seconds(usable, segments, seconds) * density.items_per_second, None)
    chains = _chains(totals, usable)
    found = _cheapest(chains, segments, seconds, density, only_added=totals.has_extremes)
    if found is not None and (found.rows + overhead_rows < best.rows or overhead_rows < 0):
        chain, covered = found.chain, found.covered
        plan = rollup_plan(_name(chain[0]), chain, covered, _tail(known, chain[0].synced_version))
        best = Choice(plan, found.rows, None)
    if totals.columns and best.rows > wish_rows_min:
        return Choice(best.plan, best.rows, _wish(totals, known.rollups))
    return best


@dataclass(frozen=True, slots=True)
class _Found:
    chain: Sequence[Rollup]
    covered: Cover
    rows: float


def _cheapest(
    chains: Sequence[Sequence[Rollup]],
    segments: Sequence[Stretch],
    seconds: float,
    density: _Density,
    *,
    only_added: bool,
) -> _Found | None:
    """The chain that reads the fewest rows. Small rollups first: what holds more than another costs
    in all need not be looked at."""
    best: _Found | None = None
    for chain in sorted(chains, key=lambda chain: chain[0].rows_held):
        base = chain[0]
        # Of each segment at most a bucket at either end is read elsewhere.
        at_least = seconds - 2 * _WIDTHS[base.grid.grain] * len(segments)
        if best is not None and base.rows_held * at_least / _span(base) >= best.rows:
            continue
        covered = cover(segments, [rollup.grid for rollup in chain], only_added=only_added)
        rows = _cost(chain, covered, density)
        if rows is not None and (best is None or rows < best.rows):
            best = _Found(chain, covered, rows)
    return best


def _segments(totals: Totals) -> list[Stretch]:
    """The range, cut at the boundaries of its periods."""
    low, end = totals.scope.start_at, totals.scope.end_at + _TICK
    if totals.periods is None:
        return [Stretch(low, end, 1)]
    starts = totals.periods.starts
    numbers = totals.periods.numbers or range(1, len(starts) + 1)
    # Only the first begins, and only the last ends, outside of the range; never a whole one does.
    lows = (max(starts[0], low), *starts[1:])
    return [
        Stretch(start, stop, number)
        for start, stop, number in zip(lows, (*starts[1:], end), numbers, strict=True)
        if start < stop
    ]


def _chains(totals: Totals, usable: Sequence[Rollup]) -> list[list[Rollup]]:
    """Each rollup that has the columns, with finer ones behind it that hold the same items."""
    wanted = set(totals.columns)
    order = {Grain.DAY: 0, Grain.HOUR: 1, Grain.QUARTER: 2}
    fitting = [r for r in usable if wanted <= set(r.columns)]
    chains = []
    for base in fitting:
        chain = [base]
        finer = sorted(
            (r for r in fitting if order[r.grid.grain] > order[base.grid.grain]),
            key=lambda r: (order[r.grid.grain], r.rows_held),
        )
        for rollup in finer:
            if (
                rollup.synced_version == base.synced_version
                and rollup.grid.grain is not chain[-1].grid.grain
            ):
                chain.append(rollup)
        chains.append(chain)
    return chains


def _cost(chain: Sequence[Rollup], covered: Cover, density: _Density) -> float | None:
    stretches = len(covered.raw) + sum(len(listed) for listed in covered.buckets)
    if stretches > STRETCHES_MAX:
        return None
    rows = float(stretches * _STRETCH_ROWS)
    for number, (rollup, listed) in enumerate(zip(chain, covered.buckets, strict=True)):
        seconds = sum(stretch.seconds for stretch in listed)
        if number == 0 and covered.aligned:
            run = covered.aligned
            seconds += (run[-1].high - run[0].low).total_seconds()
        rows += rollup.rows_held * min(1.0, seconds / _span(rollup))
    raw_seconds = sum(stretch.seconds for stretch in covered.raw)
    return rows + raw_seconds * density.items_per_second * _ITEM_ROWS


def _held_seconds(usable: Sequence[Rollup], segments: Sequence[Stretch], seconds: float) -> float:
    """How much of the range there are items in, as far as the rollups know."""
    held = [(r.first_bucket, r.last_bucket) for r in usable if r.first_bucket and r.last_bucket]
    if not held or not segments:
        return seconds
    first = min(low for low, _ in held)
    last = max(high for _, high in held) + timedelta(days=1)
    low, high = max(first, segments[0].low), min(last, segments[-1].high)
    return max(0.0, (high - low).total_seconds())


def _span(rollup: Rollup) -> float:
    if rollup.first_bucket is None or rollup.last_bucket is None:
        return 1.0
    return (rollup.last_bucket - rollup.first_bucket).total_seconds() + _WIDTHS[rollup.grid.grain]


def _tail(known: Seen, synced_version: int) -> Tail:
    """What the rollups lack. One is looked for where it may come before the question does."""
    versions = known.version - synced_version
    if versions > TAIL_VERSIONS_MAX:
        return Tail.LONG
    return Tail.SHORT if versions > 0 or known.is_changing else Tail.NONE


def _name(base: Rollup) -> str:
    """`totals-day`, `columns-day` ...: what callers see in `Tallyport-Plan`."""
    return f"{'columns' if base.columns else 'totals'}-{base.grid.grain.value}"


def _wish(totals: Totals, rollups: Sequence[Rollup]) -> Wish | None:
    """Days of the question's zone; of the store's, when the question has no periods."""
    columns = tuple(sorted(totals.columns))
    scope = totals.scope
    if len(columns) > COLUMNS_MAX or scope.start_at >= COVER_END or scope.end_at < COVER_START:
        return None
    zones = [r.grid.zone for r in rollups if not r.columns and r.grid.grain is Grain.DAY]
    zone = scope.timezone if totals.periods is not None or not zones else zones[0]
    grid = Grid(Grain.DAY, zone)
    held = [r for r in rollups if r.grid == grid and r.columns == columns]
    if any(r.is_rejected or r.synced_version >= 0 for r in held):
        return None
    return Wish(grid, columns)
