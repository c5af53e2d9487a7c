"""A caller's date and time, as an instant.

Comes in: anything that JSON has. Goes out: an aware `datetime` that keeps the offset it was
written with (rule 4 of docs/http.md looks at it), or `ValueError`.

The grammar is that of docs/http.md: `YYYY-MM-DDTHH:MM:SS`, an optional fraction, then `Z`,
`+HH:MM`, `+HHMM` or nothing for UTC. What it leaves open is read as Ruby's `Time.xmlschema` and
PostgreSQL read it:

- `t` and `z` are as good as `T` and `Z`; seconds are required; the fraction follows a dot.
- A seventh digit of the fraction and what follows it are cut off: items have microseconds.
- `:60` is the first second of the next minute; `24:00:00` is the next day's midnight.
- Only ASCII digits, no surrounding blanks, offsets up to 23:59.
- Years 3 to 9998: there is room left for every zone's offset and for whole periods.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

YEAR_MIN = 3
YEAR_MAX = 9998

_GRAMMAR = re.compile(
    r"""(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})
        [Tt](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})
        (?:\.(?P<fraction>[0-9]+))?
        (?:[Zz]|(?P<sign>[+-])(?P<offset_hours>[0-9]{2}):?(?P<offset_minutes>[0-9]{2}))?""",
    re.VERBOSE,
)


def parse_instant(value: object) -> datetime:
    """The instant that the text names. Raises `ValueError` for anything else."""
    match = _GRAMMAR.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("not an ISO 8601 date and time")
    year, month, day, hour, minute, second = (
        int(match[part]) for part in ("year", "month", "day", "hour", "minute", "second")
    )
    microsecond = int((match["fraction"] or "0")[:6].ljust(6, "0"))
    carried = timedelta(0)
    if (hour, minute, second) == (24, 0, 0) and not (match["fraction"] or "").strip("0"):
        hour, carried = 0, timedelta(days=1)
    elif second == 60:
        second, carried = 59, timedelta(seconds=1)
    # Checked before adding: the calendar of `datetime` ends where these years do not.
    if not YEAR_MIN <= year <= YEAR_MAX:
        raise ValueError("too far from now")
    instant = (
        datetime(year, month, day, hour, minute, second, microsecond, tzinfo=_offset(match))
        + carried
    )
    if not YEAR_MIN <= instant.astimezone(UTC).year <= YEAR_MAX:
        raise ValueError("too far from now")
    return instant


def _offset(match: re.Match[str]) -> timezone:
    if match["sign"] is None:
        return UTC
    hours, minutes = int(match["offset_hours"]), int(match["offset_minutes"])
    if hours > 23 or minutes > 59:
        raise ValueError("no such offset")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if match["sign"] == "-" else offset)
