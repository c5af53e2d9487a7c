"""Cut a question's time into what rollups hold whole and what is left to read raw.

Comes in: segments (a stretch of time and the period it counts to), and grids from coarse to fine.
Goes out: for each grid the stretches of whole buckets to read, and the stretches of raw items.
Pure, and exact by construction: the stretches of each segment, with their signs, add up to it.

Where a boundary lies inside a bucket, the smaller side of it is read more finely: either that side
is added, or the whole bucket is added and the other side taken away again (`sign` -1). So a range
that ends at 23:59:59 costs one second of raw items, not a day of them. What cannot be taken away
again, a least or a greatest, asks for `only_added`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.rollups.grid import COVER_END, COVER_START, Grid


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `low` up to and without `high`, counting to the period with this number, from 1."""

    low: datetime
    high: datetime
    period: int
    sign: int = 1

    @property
    def seconds(self) -> float:
        return (self.high - self.low).total_seconds()


_Splitting = Callable[[Stretch, Grid], tuple[Stretch | None, list[Stretch]]]


@dataclass(slots=True)
class Cover:
    """What to read: per grid (coarse to fine) stretches of whole buckets, and raw ones.

    `aligned` are those of the first grid that are whole segments, in one run: their periods can be
    told from the buckets themselves.
    """

    aligned: list[Stretch] = field(default_factory=list)
    buckets: list[list[Stretch]] = field(default_factory=list)
    raw: list[Stretch] = field(default_factory=list)


def cover(segments: Sequence[Stretch], grids: Sequence[Grid], *, only_added: bool = False) -> Cover:
    """Cover every segment, which are in order of time and do not overlap. With `only_added` every
    sign is 1."""
    found = Cover(buckets=[[] for _ in grids])
    split = _split_added if only_added else _split
    inside: list[Stretch] = []
    for segment in segments:
        if segment.low >= COVER_START and segment.high <= COVER_END:
            inside.append(segment)
        else:
            inside += _clip(segment, found.raw)
    # Most boundaries are the grid's own: found out for all at once, which is much cheaper.
    lows = grids[0].beginning([segment.low for segment in inside])
    highs = grids[0].beginning([segment.high for segment in inside])
    for segment, low, high in zip(inside, lows, highs, strict=True):
        if low and high:
            is_run = _continues(found.aligned, segment)
            (found.aligned if is_run else found.buckets[0]).append(segment)
            continue
        whole, rest = split(segment, grids[0])
        if whole is not None:
            found.buckets[0].append(whole)
        for stretch in rest:
            _descend(stretch, grids, 1, found, split)
    return found


def _continues(run: list[Stretch], segment: Stretch) -> bool:
    return not run or run[-1].high == segment.low


def _clip(segment: Stretch, raw: list[Stretch]) -> list[Stretch]:
    """The part of the segment that rollups cover; the rest is raw."""
    low, high = max(segment.low, COVER_START), min(segment.high, COVER_END)
    if low >= high:
        raw.append(segment)
        return []
    if segment.low < low:
        raw.append(Stretch(segment.low, low, segment.period))
    if high < segment.high:
        raw.append(Stretch(high, segment.high, segment.period))
    return [Stretch(low, high, segment.period)]


def _descend(
    stretch: Stretch, grids: Sequence[Grid], level: int, found: Cover, split: _Splitting
) -> None:
    if level == len(grids):
        # The bucket that the cover begins or ends in holds less than its whole time: what is taken
        # away from it, or given back, must not reach past that either.
        low, high = max(stretch.low, COVER_START), min(stretch.high, COVER_END)
        if low < high:
            found.raw.append(Stretch(low, high, stretch.period, stretch.sign))
        return
    whole, rest = split(stretch, grids[level])
    if whole is not None:
        found.buckets[level].append(whole)
    for part in rest:
        _descend(part, grids, level + 1, found, split)


def _split_added(stretch: Stretch, grid: Grid) -> tuple[Stretch | None, list[Stretch]]:
    """(whole buckets, what is to be added more finely)."""
    low_bucket, high = grid.floor(stretch.low), grid.floor(stretch.high)
    low = stretch.low if stretch.low == low_bucket else grid.next(low_bucket)
    if low > high:  # inside of one bucket
        return None, [stretch]
    ends = ((stretch.low, low), (high, stretch.high))
    rest = [Stretch(start, stop, stretch.period) for start, stop in ends if start < stop]
    return Stretch(low, high, stretch.period) if low < high else None, rest


def _split(stretch: Stretch, grid: Grid) -> tuple[Stretch | None, list[Stretch]]:
    """(whole buckets, what is to be added or taken away more finely)."""
    low_bucket = grid.floor(stretch.low)
    high_bucket = grid.floor(stretch.high)
    if low_bucket == high_bucket and stretch.low != low_bucket:
        return _within(stretch, low_bucket, grid.next(low_bucket))
    low, before = _end(stretch.low, low_bucket, grid, is_low=True)
    high, behind = _end(stretch.high, high_bucket, grid, is_low=False)
    rest = [Stretch(a, b, stretch.period, sign * stretch.sign) for a, b, sign in (*before, *behind)]
    whole = Stretch(low, high, stretch.period, stretch.sign) if low < high else None
    return whole, rest


def _within(
    stretch: Stretch, bucket: datetime, next_bucket: datetime
) -> tuple[Stretch | None, list[Stretch]]:
    """A stretch inside of one bucket: itself, or the bucket without what is around it."""
    around = (next_bucket - bucket).total_seconds() - stretch.seconds
    if stretch.seconds <= around:
        return None, [stretch]
    rest = [
        Stretch(low, high, stretch.period, -stretch.sign)
        for low, high in ((bucket, stretch.low), (stretch.high, next_bucket))
        if low < high
    ]
    return Stretch(bucket, next_bucket, stretch.period, stretch.sign), rest


def _end(
    instant: datetime, bucket: datetime, grid: Grid, *, is_low: bool
) -> tuple[datetime, list[tuple[datetime, datetime, int]]]:
    """Where the whole buckets begin (or end), and what is added or taken away for it."""
    if instant == bucket:
        return instant, []
    next_bucket = grid.next(bucket)
    is_near_start = instant - bucket <= next_bucket - instant
    if is_low:
        if is_near_start:
            return bucket, [(bucket, instant, -1)]
        return next_bucket, [(instant, next_bucket, 1)]
    if is_near_start:
        return bucket, [(bucket, instant, 1)]
    return next_bucket, [(instant, next_bucket, -1)]
