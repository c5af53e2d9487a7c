"""Analyses from plain Python: the second opinion's items and periods, and nothing of the product.

Comes in: the rows of a register and an analysis as a caller writes it (bounds as instants). Goes
out: the rows in their order, the totals, and the range that was compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.integration.aggregator.second_opinion import Item, first_day, label, number, periods

TICK, SECOND = timedelta(microseconds=1), timedelta(seconds=1)
Values = dict[str, Decimal | None]
# (items, their period) of a range
Cells = dict[tuple[tuple[str, ...], str], list[Item]]


@dataclass(frozen=True)
class Row:
    period: str
    group: Any
    is_other: bool
    values: Values
    previous: Values | None


@dataclass(frozen=True)
class Opinion:
    rows: list[Row]
    totals: list[Row]
    grand_total: Row
    compared: tuple[datetime, datetime] | None


def passes(condition: dict[str, Any] | None, meta: dict[str, str | None]) -> bool:
    if condition is None:
        return True
    if "and" in condition:
        return all(passes(one, meta) for one in condition["and"])
    if "or" in condition:
        return any(passes(one, meta) for one in condition["or"])
    value = meta[condition["label"]] or ""
    checks = {
        "eq": lambda wanted: value == wanted,
        "not": lambda wanted: value != wanted,
        "in": lambda wanted: value in wanted,
        "exists": lambda wanted: (value != "") == wanted,
    }
    return all(check(condition[name]) for name, check in checks.items() if name in condition)


def values_of(items: list[Item], question: dict[str, Any]) -> Values:
    turn = -1 if question["invert_sign"] else 1
    amounts = [turn * Fraction(item.amount) for item in items]
    total = sum(amounts, Fraction(0))
    known: dict[str, Fraction | None] = {
        "count": Fraction(len(amounts)),
        "sum": total,
        "average": total / len(amounts) if amounts else Fraction(0),
        "min": min(amounts, default=None),
        "max": max(amounts, default=None),
    }
    return {
        name: None if (value := known[name]) is None else number(value)
        for name in question["measures"]
    }


def back(period: str, day: date, steps: int) -> date:
    for _ in range(steps):
        day = first_day(period, day - timedelta(days=1))
    return day


def first_instant(zone: ZoneInfo, day: date) -> datetime:
    """The first that shows this date or a later one, looked for in steps of half a minute."""
    instant = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("UTC")) - timedelta(hours=27)
    while instant.astimezone(zone).date() < day:
        instant += timedelta(seconds=30)
    return instant


def was_shown(zone: ZoneInfo, period: str, first: date) -> bool:
    """Whether any clock of the zone ever showed a date of the period that begins with this one."""
    return first_day(period, first_instant(zone, first).astimezone(zone).date()) == first


def range_before(
    question: dict[str, Any], zone: ZoneInfo, shown: list[str]
) -> tuple[datetime, datetime, Callable[[datetime], str]]:
    """(start, end, the name of the position at which a moment of it stands)."""
    start, end, period = question["start_at"], question["end_at"], question["group_by_period"]

    def of(instant: datetime) -> date:
        return first_day(period, instant.astimezone(zone).date())

    behind = (end + SECOND).replace(microsecond=0)
    if period and of(start - TICK) != of(start) and of(behind) != of(end):
        day, firsts, never = of(start), list[date](), set[str]()
        while len(firsts) < len(shown):
            day = back(period, day, 1)
            if was_shown(zone, period, day):
                firsts.insert(0, day)
            else:
                never.add(label(period, day))
        low, high = first_instant(zone, firsts[0]), start - (behind - end)
        theirs = [name for name in periods(period, zone, low, high, []) if name not in never]
        if theirs == [label(period, first) for first in firsts]:
            beside = dict(zip(theirs, shown, strict=True))
            return low, high, lambda at: beside[label(period, of(at))]
    step = SECOND if (end.second, end.microsecond) == (59, 0) else TICK
    length = end - start + step
    return (
        start - length,
        end - length,
        lambda at: label(period, of(at + length)) if period else "All",
    )


def opinion(items: list[Item], question: dict[str, Any]) -> Opinion:
    zone, period = ZoneInfo(question["timezone"] or "UTC"), question["group_by_period"]
    columns = list(dict.fromkeys(question["group_by"]))
    start, end = question["start_at"], question["end_at"]
    fitting = [item for item in items if passes(question["filter"], item.meta)]
    held = [item for item in fitting if start <= item.originated_at <= end]
    shown = periods(period, zone, start, end, held)

    def cells_of(chosen: list[Item], name_of: Callable[[datetime], str]) -> Cells:
        cells: Cells = {}
        for item in chosen:
            group = tuple(item.meta[column] or "" for column in columns)
            cells.setdefault((group, name_of(item.originated_at)), []).append(item)
        return cells

    eras = [
        cells_of(
            held,
            lambda at: (
                label(period, first_day(period, at.astimezone(zone).date())) if period else "All"
            ),
        )
    ]
    compared = None
    if question["compare"]:
        low, high, name_of = range_before(question, zone, shown)
        compared = (low, high)
        eras.append(cells_of([i for i in fitting if low <= i.originated_at <= high], name_of))

    groups = sorted({group for cells in eras for group, _ in cells}) if columns else [()]
    groups = ordered(groups, eras[0], question)
    limit = question["limit"] or len(groups)
    sets: list[tuple[Any, bool, list[tuple[str, ...]]]] = [
        ({0: "All", 1: group[0] if group else ""}.get(len(columns), [*group]), False, [group])
        for group in (groups[:limit] if columns else groups)
    ]
    if columns and len(groups) > limit:
        sets.append(
            ("other" if len(columns) == 1 else ["other"] * len(columns), True, groups[limit:])
        )

    def row(name: str, names: list[str], shown_as: Any, is_other: bool, among: Any) -> Row:
        both = [
            values_of(
                [i for group in among for one in names for i in cells.get((group, one), [])],
                question,
            )
            for cells in eras
        ]
        return Row(name, shown_as, is_other, both[0], both[1] if len(both) > 1 else None)

    return Opinion(
        rows=[
            row(name, [name], shown_as, is_other, among)
            for shown_as, is_other, among in sets
            for name in shown
        ],
        totals=[row(name, [name], None, False, groups) for name in shown],
        grand_total=row("", shown, None, False, groups),
        compared=compared,
    )


def ordered(
    groups: list[tuple[str, ...]], cells: Cells, question: dict[str, Any]
) -> list[tuple[str, ...]]:
    """By group, or by a measure of the whole range: the groups that have none come last."""
    order = question["order"]
    if order in (None, "group"):
        return groups
    ranks: dict[tuple[str, ...], Decimal | None] = {}
    for group in groups:
        mine = [item for (of, _), some in cells.items() if of == group for item in some]
        asked = {**question, "measures": [order["measure"]]}
        ranks[group] = values_of(mine, asked)[order["measure"]]
    turn = 1 if order.get("direction", "desc") == "asc" else -1
    known = [group for group in groups if ranks[group] is not None]
    known.sort(key=lambda group: (turn * (ranks[group] or 0), group))
    return known + [group for group in groups if ranks[group] is None]
