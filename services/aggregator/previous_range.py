"""The range directly before a range, of the same length, and its periods by position.

Comes in: a scope, and the periods of its range. Goes out: the scope and the periods to compare
with, as many as there are, the n-th beside the n-th.

- A range of whole periods (whole months of the zone, say) is compared with as many whole periods
  before it, however long those are.
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
    before = _divide(kind, scope, far, scope.start_at - _TICK)
    first = len(before.labels) - count + 1
    numbers = before.numbers or range(1, len(before.labels) + 1)
    low = before.starts[next(n for n, number in enumerate(numbers) if number >= first)]
    moved = replace(scope, start_at=low, end_at=scope.start_at - left_out)
    theirs = _divide(kind, moved, moved.start_at, moved.end_at)
    return (moved, theirs) if len(theirs.labels) == count else None


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
