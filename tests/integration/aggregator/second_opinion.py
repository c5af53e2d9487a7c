"""The same answers from plain Python: Decimal, Fraction, zoneinfo, and nothing of the product.

Comes in: the rows of a register and a question as a caller writes it. Goes out: the answer as
(period, group, value) rows, computed item by item from the local date that the zone shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

WIDE = Context(prec=200)
# Clocks set back across midnight show the day before again; looked for near both bounds.
LOOK_SECONDS, LOOK_STEP_SECONDS = 2 * 3600, 30


@dataclass(frozen=True)
class Item:
    originated_at: datetime
    amount: Decimal
    meta: dict[str, str | None]


def first_day(period: str, day: date) -> date:
    if period == "week":
        while day.strftime("%a") != "Sun":
            day -= timedelta(days=1)
    elif period == "month":
        day = day.replace(day=1)
    elif period == "quarter":
        day = day.replace(day=1, month={1: 1, 2: 4, 3: 7, 4: 10}[-(-day.month // 3)])
    elif period == "year":
        day = day.replace(day=1, month=1)
    return day


def label(period: str, day: date) -> str:
    if period == "quarter":
        return f"Q{day.month // 3 + 1} {day.year}"
    return day.strftime({"month": "%b %Y", "year": "%Y"}.get(period, "%b %d %Y"))


def shown_days(zone: ZoneInfo, start_at: datetime, end_at: datetime) -> Iterator[date]:
    yield start_at.astimezone(zone).date()
    yield end_at.astimezone(zone).date()
    for seconds in range(0, LOOK_SECONDS, LOOK_STEP_SECONDS):
        step = timedelta(seconds=seconds)
        for instant in (start_at + step, end_at - step):
            if start_at <= instant <= end_at:
                yield instant.astimezone(zone).date()


def periods(
    period: str | None, zone: ZoneInfo, start_at: datetime, end_at: datetime, items: Iterable[Item]
) -> list[str]:
    if period is None:
        return ["All"]
    days = {*shown_days(zone, start_at, end_at)}
    days |= {item.originated_at.astimezone(zone).date() for item in items}
    day, found = min(days), dict[str, None]()
    while day <= max(days):
        found[label(period, first_day(period, day))] = None
        day += timedelta(days=1)
    return [*found]


def number(value: Fraction) -> Decimal:
    """Exact when it has a last digit; otherwise to far more digits than are promised."""
    return WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))


def value_of(measure: str, items: list[Item], *, invert: bool) -> Decimal:
    if measure == "item_count":
        return Decimal(len(items))
    total = sum((Fraction(item.amount) for item in items), Fraction(0))
    if measure == "item_average":
        total = total / len(items) if items else Fraction(0)
    return number(-total if invert else total)


def answer(items: list[Item], question: dict[str, Any]) -> list[tuple[str, Any, Decimal]]:
    """`question` has the caller's keys, but `start_at` and `end_at` as instants."""
    start_at, end_at = question["start_at"], question["end_at"]
    zone, period = ZoneInfo(question["timezone"] or "UTC"), question["group_by_period"]
    columns = list(dict.fromkeys(question["group_by"]))
    held = [item for item in items if start_at <= item.originated_at <= end_at]
    cells: dict[tuple[tuple[str, ...], str], list[Item]] = {}
    for item in held:
        group = tuple(item.meta[column] or "" for column in columns)
        day = item.originated_at.astimezone(zone).date()
        name = label(period, first_day(period, day)) if period else "All"
        cells.setdefault((group, name), []).append(item)
    groups: set[tuple[str, ...]] = {group for group, _ in cells} if columns else {()}
    # By code point: Python compares text so.
    return [
        (
            name,
            {0: "All", 1: group[0] if group else ""}.get(len(columns), [*group]),
            value_of(
                question["measure"], cells.get((group, name), []), invert=question["invert_sign"]
            ),
        )
        for group in sorted(groups)
        for name in periods(period, zone, start_at, end_at, held)
    ]
