"""The days, weeks, months, quarters and years of a zone, as instants, with their labels.

Comes in: a kind of period, a zone and an inclusive range. Goes out: `Periods`, every one from that
which holds the range's start to that which holds its end.

An instant belongs to the local date that the zone's clocks show at it; this is what makes days of
23 and 25 hours, and days without a midnight, come out right. Two rarities follow from it:

- A clock set back across midnight shows the old date again (St. John's changed at 00:01 until
  2011): that hour belongs to the day it shows, so a period can consist of two stretches of time.
- A date that a zone skipped (Apia, 2011-12-30) is in the list like any other and stays empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.errors import InvalidArgumentError

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
REMEMBERED_DAYS_MAX = 1_000


class PeriodKind(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Periods:
    """`starts[i]` (UTC, ascending) begins a stretch of time that belongs to the period whose label
    is `labels[numbers[i] - 1]`; it ends where the next begins. `numbers` is None when each stretch
    is a period of its own, in order, which is nearly always."""

    labels: tuple[str, ...]
    starts: tuple[datetime, ...]
    numbers: tuple[int, ...] | None


def divide(
    kind: PeriodKind, zone: ZoneInfo, start_at: datetime, end_at: datetime, *, periods_max: int
) -> Periods:
    """The periods of a range. Raises `InvalidArgumentError` when there are more than allowed."""
    # The same ranges are asked about again and again; long ones would be much to remember.
    dividing = _divided if (end_at - start_at).days <= REMEMBERED_DAYS_MAX else _divide
    return dividing(kind, zone, start_at, end_at, periods_max)


def _divide(
    kind: PeriodKind, zone: ZoneInfo, start_at: datetime, end_at: datetime, periods_max: int
) -> Periods:
    # A day too many at both ends: clocks that are set back may show yesterday, or tomorrow.
    last = end_at.astimezone(zone).date() + _DAY
    dates: list[date] = []
    stretches: list[tuple[datetime, int]] = []
    for begin in _begins(kind, start_at.astimezone(zone).date() - _DAY, last):
        # Those two can each be a period that is dropped again below.
        if len(dates) == periods_max + 2:
            raise _too_many(periods_max)
        stretches += [(at, len(dates) + step) for at, step in _stretches(begin, zone)]
        dates.append(begin)

    ends: list[datetime | None] = [*(begin for begin, _ in stretches[1:]), None]
    held = [
        (begin, number)
        for (begin, number), end in zip(stretches, ends, strict=True)
        if begin <= end_at and (end is None or end > start_at)
    ]
    first = min(number for _, number in held)
    dates = dates[first : max(number for _, number in held) + 1]
    if len(dates) > periods_max:
        raise _too_many(periods_max)
    numbers = tuple(number - first + 1 for _, number in held)
    label = _LABELS[kind]
    return Periods(
        labels=tuple(label(begin) for begin in dates),
        starts=tuple(begin for begin, _ in held),
        numbers=None if numbers == tuple(range(1, len(dates) + 1)) else numbers,
    )


_divided = lru_cache(maxsize=256)(_divide)


def _begins(kind: PeriodKind, first: date, last: date) -> Iterator[date]:
    """The first dates of the periods from the one of `first` to the one of `last`."""
    if kind in (PeriodKind.DAY, PeriodKind.WEEK):
        step = _DAY if kind is PeriodKind.DAY else 7 * _DAY
        # isoweekday: Monday 1 to Sunday 7; weeks begin on Sunday.
        begin = first if kind is PeriodKind.DAY else first - _DAY * (first.isoweekday() % 7)
        while begin <= last:
            yield begin
            begin += step
        return
    months = {PeriodKind.MONTH: 1, PeriodKind.QUARTER: 3, PeriodKind.YEAR: 12}[kind]
    number = first.year * 12 + (first.month - 1) // months * months
    while number <= last.year * 12 + last.month - 1:
        yield date(number // 12, number % 12 + 1, 1)
        number += months


@lru_cache(maxsize=32_768)
def _stretches(day: date, zone: ZoneInfo) -> tuple[tuple[datetime, int], ...]:
    """Where the period that begins with this local day begins (0), and, when clocks set back show
    the day before once more, where that begins (-1) and ends (0)."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    early, late = midnight.astimezone(UTC), midnight.replace(fold=1).astimezone(UTC)
    if early == late:
        return ((early, 0),)
    if early > late:
        # Clocks were set forward over this midnight: the day begins when they were.
        return ((_first(late, early, lambda instant: instant.astimezone(zone).date() >= day), 0),)
    if (late - _TICK).astimezone(zone).date() < day:
        back = _first(early, late, lambda instant: instant.astimezone(zone).date() < day)
        return (early, 0), (back, -1), (late, 0)
    return ((early, 0),)


def _first(low: datetime, high: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """The first whole second in (low, high] from which on it holds. Clocks change on whole ones."""
    before, after = 0, int((high - low).total_seconds())
    while after - before > 1:
        middle = (before + after) // 2
        if holds(low + timedelta(seconds=middle)):
            after = middle
        else:
            before = middle
    return low + timedelta(seconds=after)


@lru_cache(maxsize=32_768)
def _day_label(day: date) -> str:
    # Not strftime: it speaks the machine's language.
    return f"{_MONTHS[day.month - 1]} {day.day:02d} {day.year:04d}"


_LABELS: dict[PeriodKind, Callable[[date], str]] = {
    PeriodKind.DAY: _day_label,
    PeriodKind.WEEK: _day_label,
    PeriodKind.MONTH: lambda day: f"{_MONTHS[day.month - 1]} {day.year:04d}",
    PeriodKind.QUARTER: lambda day: f"Q{(day.month + 2) // 3} {day.year:04d}",
    PeriodKind.YEAR: lambda day: f"{day.year:04d}",
}


def _too_many(periods_max: int) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"more than {periods_max} periods: choose a longer period or a shorter range"
    )
