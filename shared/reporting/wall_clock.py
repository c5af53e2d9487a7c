"""Wall-clock times of a store, and the instants they mean.

A report's range is given in the store's own time (docs/http.md, Asynchronous reports): an offset in
the text is accepted and ignored.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_WALL_CLOCK = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:Z|[+-]\d\d:?\d\d)?", re.ASCII
)


def parse_wall_clock(text: str) -> datetime:
    """`YYYY-MM-DD HH:MM:SS` (or `T`; an offset is ignored) as a naive time.

    Raises `ValueError` for anything else and for days and hours that no calendar has.
    """
    match = _WALL_CLOCK.fullmatch(text)
    if match is None:
        raise ValueError("must be written YYYY-MM-DD HH:MM:SS")
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    try:
        wall = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    except ValueError as error:
        raise ValueError(f"is no date and time: {error}") from None
    if not 2 <= wall.year <= 9998:
        # Room at both ends, so that it is still a date in every zone.
        raise ValueError("must lie between the years 2 and 9998")
    return wall


def instant_of(wall: datetime, zone: ZoneInfo, *, is_end: bool) -> datetime:
    """The instant (UTC) of a wall-clock time in a zone.

    A time that a clock change skipped moves forward by the gap. A time that occurs twice means
    its first occurrence for a start and its second for an end, so that a range leaves out nothing.
    """
    first = wall.replace(tzinfo=zone, fold=0)
    second = wall.replace(tzinfo=zone, fold=1)
    # In a gap the first reading uses the offset from before the change: it lands after the gap.
    is_skipped = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall
    return (second if is_end and not is_skipped else first).astimezone(UTC)


def show(instant: datetime, timezone: str) -> str:
    """`2022-01-01T00:00:00-0800`: in the zone, with the offset that it has at that instant."""
    return instant.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%dT%H:%M:%S%z").rjust(24, "0")
