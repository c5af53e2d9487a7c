"""How rollups cut the axis of time: quarters of an hour, hours, days of a zone.

A grid is a list of instants; a bucket is what lies between one and the next. Nothing else is asked
of it, so a grid need not know about odd days: where a question's boundary is no instant of the
grid, the bucket is taken apart.
"""

from __future__ import annotations

import hashlib
import zoneinfo
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

# What is older or later is never in a rollup; questions about it read items.
COVER_START = datetime(1972, 1, 1, tzinfo=UTC)
COVER_END = datetime(2100, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


class Grain(StrEnum):
    """From fine to coarse."""

    QUARTER = "quarter"
    HOUR = "hour"
    DAY = "day"


_WIDTHS = {Grain.QUARTER: timedelta(minutes=15), Grain.HOUR: timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class Grid:
    """Buckets of one grain; `zone` is "" but for days."""

    grain: Grain
    zone: str = ""

    def floor(self, instant: datetime) -> datetime:
        """The first instant of the bucket that holds `instant`."""
        width = _WIDTHS.get(self.grain)
        if width is not None:
            return instant - (instant - _EPOCH) % width
        days = _days(self.zone, instant.year)
        # A local date is at most a day off the UTC date: the first of the next year may be there.
        if instant >= days[-1] and (first := _days(self.zone, instant.year + 1)[0]) <= instant:
            return first
        place = bisect_right(days, instant)
        return days[place - 1] if place else _days(self.zone, instant.year - 1)[-1]

    def next(self, bucket: datetime) -> datetime:
        """The first instant of the bucket behind the one that begins with `bucket`."""
        width = _WIDTHS.get(self.grain)
        if width is not None:
            return bucket + width
        for year in (bucket.year, bucket.year + 1):
            days = _days(self.zone, year)
            if bucket < days[-1]:
                return days[bisect_right(days, bucket)]
        raise ValueError("a year without days")  # pragma: no cover

    def beginning(self, instants: Sequence[datetime]) -> list[bool]:
        """Whether a bucket begins with it, for each of these."""
        width = _WIDTHS.get(self.grain)
        if width is not None:
            return [not (instant - _EPOCH) % width for instant in instants]
        return [_begins_day(self.zone, instant) for instant in instants]

    def starts(self, first: datetime, last: datetime) -> list[datetime]:
        """The days' first instants, from at least one at or before `first` to one behind `last`.
        For days only: the others are arithmetic."""
        # A local date is at most a day off the UTC date, at both ends of the year too.
        years = range((first - 2 * _DAY).year, (last + 2 * _DAY).year + 1)
        found = [start for year in years for start in _days(self.zone, year)]
        low = bisect_right(found, first) - 1
        high = bisect_right(found, last)
        return found[max(low, 0) : high + 1]


def _begins_day(zone: str, instant: datetime) -> bool:
    year, month, day = instant.year, instant.month, instant.day
    if instant in _day_set(zone, year):
        return True
    # The year that the zone shows may be the next one, or the one before.
    if month == 12 and day == 31:
        return instant in _day_set(zone, year + 1)
    return month == 1 and day <= 2 and instant in _day_set(zone, year - 1)


@lru_cache(maxsize=1_024)
def _day_set(zone: str, year: int) -> frozenset[datetime]:
    return frozenset(_days(zone, year))


@lru_cache(maxsize=4_096)
def _days(zone: str, year: int) -> tuple[datetime, ...]:
    """The instants at which the dates of a year begin in a zone, ascending, each once.

    A midnight that does not exist counts as the instant it would have been, and one that occurs
    twice as the first: near enough, for a grid only has to be the same each time.
    """
    info = ZoneInfo(zone)
    first = date(year, 1, 1).toordinal()
    last = date(year, 12, 31).toordinal()
    dates = map(date.fromordinal, range(first, last + 1))
    return tuple(
        sorted({datetime(d.year, d.month, d.day, tzinfo=info).astimezone(UTC) for d in dates})
    )


@lru_cache(maxsize=1_024)
def zone_digest(zone: str) -> str:
    """A digest of the zone's rules as this process knows them. Days that were cut by other rules
    are not the days that a question means."""
    for folder in zoneinfo.TZPATH:
        path = Path(folder, zone)
        if path.is_file():
            return _digest(path.read_bytes())
    data = resources.files("tzdata").joinpath("zoneinfo", *zone.split("/"))
    return _digest(data.read_bytes())


def _digest(rules: bytes) -> str:
    return hashlib.sha256(rules).hexdigest()[:16]
