"""What people write for a range of time, as the service wants it.

Comes in: a day, or a day and a time, with or without an offset. Goes out: for reports the store's
wall clock, for items an instant with its offset. Raises `UsageError`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cli.outcomes import UsageError


def first_second(text: str) -> str:
    """For a report: a day begins at 00:00:00. Anything else is passed on: the service judges."""
    return f"{text} 00:00:00" if _day(text) else text


def last_second(text: str) -> str:
    """For a report: a day ends at 23:59:59."""
    return f"{text} 23:59:59" if _day(text) else text


def first_instant(text: str, timezone: str | None) -> str:
    """For items: a day's first instant; a time without an offset is the zone's (UTC's) clock."""
    day = _day(text)
    return _instant(datetime.combine(day, time.min) if day else _moment(text), timezone, fold=0)


def last_instant(text: str, timezone: str | None) -> str:
    """For items: a day's last microsecond. Of an hour that occurs twice, the second one."""
    day = _day(text)
    if day is None:
        return _instant(_moment(text), timezone, fold=1)
    return _instant(datetime.combine(day, time.max), timezone, fold=1)


def _day(text: str) -> date | None:
    try:
        # Python also reads 20240131 and 2024-W05-3, which nobody means here.
        return date.fromisoformat(text) if len(text) == len("YYYY-MM-DD") else None
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"not a date, nor a date and time: {text!r}") from None


def _instant(moment: datetime, timezone: str | None, *, fold: int) -> str:
    if moment.tzinfo is not None:
        return moment.isoformat()
    try:
        zone = ZoneInfo(timezone) if timezone else UTC
    except (ZoneInfoNotFoundError, ValueError):
        raise UsageError(f"not an IANA timezone: {timezone}") from None
    local = moment.replace(tzinfo=zone, fold=fold)
    # A wall-clock time that a clock change skipped gets the offset that its instant has.
    shown = local.astimezone(UTC).astimezone(zone)
    offset = shown.utcoffset() or timedelta()
    if offset % timedelta(minutes=1):  # before standard time; the service takes whole minutes
        shown = local.astimezone(UTC)
    return shown.isoformat()
