"""The range directly before a range, of the same length, and its periods by position.

Comes in: a scope, and the periods of its range. Goes out: the scope and the periods to compare
with, as many as there are, the n-th beside the n-th.

- A range of whole periods (whole months of the zone, say) is compared with as many whole periods
  before it, however long those are. A date that the zone skipped is a period of a range that it
  lies in, without items; there was no such day to compare anything with.
- Any other range is compared with the same duration, and its periods with what lies at the same
  distance before them.

A range that ends with the last second of a period, as most are written, is whole: what it leaves
out of its last period (`23:59:59` leaves a second, less a tick) the other leaves out as well.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from services.aggregator.arguments import Scope
from services.aggregator.instants import YEAR_MIN
from services.aggregator.periods import PeriodKind, Periods, divide
from shared.contracts.failures import FailureDetail
from shared.errors import InvalidArgumentError

_TICK = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
# Longer than any of the kind, so that going back that far is far enough.
_DAYS = {
    PeriodKind.DAY: 2,
    PeriodKind.WEEK: 8,
    PeriodKind.MONTH: 32,
    PeriodKind.QUARTER: 94,
    PeriodKind.YEAR: 367,
}
# More than can be between two instants: what is looked at is bounded by the range itself.
_PERIODS_MAX = 10_000_000


def previous(
    kind: PeriodKind | None, scope: Scope, periods: Periods | None
) -> tuple[Scope, Periods | None]:
    """Raises `InvalidArgumentError` when there is no time before it."""
    try:
        found = kind and periods and _by_calendar(kind, scope, periods)
        moved, theirs = found or _by_duration(scope, periods)
    except OverflowError:
        raise _too_early() from None
    if moved.start_at.year < YEAR_MIN:
        raise _too_early()
    return moved, theirs


def _by_calendar(kind: PeriodKind, scope: Scope, periods: Periods) -> tuple[Scope, Periods] | None:
    """None when the range is not of whole periods."""
    behind = _divide(kind, scope, scope.end_at, scope.end_at + _SECOND).starts[1:]
    if periods.starts[0] != scope.start_at or not behind:
        return None
    left_out = behind[0] - scope.end_at
    count = len(periods.labels)
    far = scope.start_at - timedelta(days=_DAYS[kind] * count + 2)
    theirs = _last(_divide(kind, scope, far, scope.start_at - _TICK), count, scope.start_at)
    if theirs is None:
        return None
    end_at = scope.start_at - left_out
    return replace(scope, start_at=theirs.starts[0], end_at=end_at), theirs


def _last(periods: Periods, count: int, end: datetime) -> Periods | None:
    """The last of the periods that end with `end`, without those that there was no time in: a date
    that the zone skipped. None when clocks that were set back show an earlier one among them."""
    numbers = periods.numbers or range(1, len(periods.labels) + 1)
    ends = (*periods.starts[1:], end)
    stretches = [
        (start, number)
        for start, number, stop in zip(periods.starts, numbers, ends, strict=True)
        if start < stop
    ]
    chosen = sorted({number for _, number in stretches})[-count:]
    first = next(n for n, (_, number) in enumerate(stretches) if number == chosen[0])
    if len(chosen) < count or not {number for _, number in stretches[first:]} <= {*chosen}:
        return None
    places = {number: place for place, number in enumerate(chosen, start=1)}
    found = tuple(places[number] for _, number in stretches[first:])
    return Periods(
        labels=tuple(periods.labels[number - 1] for number in chosen),
        starts=tuple(start for start, _ in stretches[first:]),
        numbers=None if found == tuple(range(1, count + 1)) else found,
    )


def _by_duration(scope: Scope, periods: Periods | None) -> tuple[Scope, Periods | None]:
    is_to_the_second = scope.end_at.second == 59 and scope.end_at.microsecond == 0
    length = scope.end_at - scope.start_at + (_SECOND if is_to_the_second else _TICK)
    moved = replace(scope, start_at=scope.start_at - length, end_at=scope.end_at - length)
    if periods is None:
        return moved, None
    # The first began before the range, perhaps before there is any time.
    starts = (moved.start_at, *(start - length for start in periods.starts[1:]))
    return moved, replace(periods, starts=starts)


def _divide(kind: PeriodKind, scope: Scope, low: datetime, high: datetime) -> Periods:
    return divide(kind, scope.zone, low, high, periods_max=_PERIODS_MAX)


def _too_early() -> InvalidArgumentError:
    reason = f"compare: what lies before would begin before the year {YEAR_MIN}"
    return InvalidArgumentError(reason, details=(FailureDetail(field="compare", reason=reason),))
