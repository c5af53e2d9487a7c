"""What is asked, and the shape in which answers are compared.

Comes in: nothing. Goes out: `QUESTIONS`, and `Answer`s: for each measure a value for each cell,
that is, for each period (its number, from 1) and group that is in the answer, zeros included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

HOME_ZONE = "America/Detroit"
FOREIGN_ZONE = "Asia/Kolkata"

Measure = Literal["item_count", "item_sum"]
Period = Literal["day", "month"]
Group = tuple[str, ...]
Cell = tuple[int, Group]
Answer = dict[Measure, dict[Cell, Decimal]]
# (period's number, group, items, sum or None) of cells that have items.
Row = tuple[int, Group, int, Decimal | None]

# Two whole years of the store's zone; the end is not part of them.
START = datetime(2023, 1, 1, tzinfo=ZoneInfo(HOME_ZONE)).astimezone(UTC)
END = datetime(2025, 1, 1, tzinfo=ZoneInfo(HOME_ZONE)).astimezone(UTC)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Question:
    """`columns` are numbers of physical ones. Both bounds are inclusive."""

    name: str
    text: str
    measures: tuple[Measure, ...]
    period: Period | None = None
    zone: str = HOME_ZONE
    columns: tuple[int, ...] = ()
    start: datetime = START
    end: datetime = END - _TICK

    @property
    def needs_sum(self) -> bool:
        return "item_sum" in self.measures

    def boundaries(self) -> list[datetime]:
        """Where each period begins, in UTC; reckoned with zoneinfo alone."""
        if self.period is None:
            return [self.start]
        zone = ZoneInfo(self.zone)
        begins = [_first_day(self.start.astimezone(zone).date(), self.period)]
        while (begin := _next_day(begins[-1], self.period)) <= self.end.astimezone(zone).date():
            begins.append(begin)
        return [datetime(d.year, d.month, d.day, tzinfo=zone).astimezone(UTC) for d in begins]

    def call(self, register_id: int, labels: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """(path, arguments) of the call that answers it."""
        arguments: dict[str, Any] = {
            "register_id": register_id,
            "start_at": _text(self.start),
            "end_at": _text(self.end),
        }
        if self.period:
            arguments |= {"timezone": self.zone, "group_by_period": self.period}
        if self.columns:
            arguments["group_by"] = [labels[column] for column in self.columns]
        if len(self.measures) == 1:
            return f"/reports/{self.measures[0]}", arguments
        arguments["measures"] = [measure.removeprefix("item_") for measure in self.measures]
        return "/reports/query", arguments


_SUM: tuple[Measure, ...] = ("item_sum",)
_COUNT: tuple[Measure, ...] = ("item_count",)
_UNALIGNED = {
    "start": datetime(2023, 3, 7, 13, 47, 11, 500_000, tzinfo=UTC),
    "end": datetime(2024, 11, 19, 4, 3, 59, 999_999, tzinfo=UTC),
}
QUESTIONS = (
    Question("a", "count", _COUNT),
    Question("b", "sum by month", _SUM, "month"),
    Question("c", "sum and count by month and a column of 12 values", (*_SUM, *_COUNT), "month",
             columns=(0,)),
    Question("d", "count by day and two columns (60 groups)", _COUNT, "day", columns=(0, 1)),
    Question("a, unaligned", "count, both bounds amid a quarter of an hour", _COUNT, **_UNALIGNED),
    Question("b, unaligned", "sum by month, likewise", _SUM, "month", **_UNALIGNED),
    Question("b, foreign", f"sum by month in {FOREIGN_ZONE}", _SUM, "month", FOREIGN_ZONE),
)  # fmt: skip
MAIN = QUESTIONS[:4]


def filled(question: Question, rows: Iterable[Row]) -> Answer:
    """The whole answer: every group that has items has all the periods."""
    held = list(rows)
    groups = {group for _, group, _, _ in held} or ({()} if not question.columns else set())
    answer: Answer = {}
    for measure in question.measures:
        cells = {
            (number, group): Decimal(0)
            for group in groups
            for number in range(1, len(question.boundaries()) + 1)
        }
        for number, group, items, total in held:
            cells[number, group] += Decimal(items) if measure == "item_count" else total or 0
        answer[measure] = cells
    return answer


def reference(question: Question, items: Iterable[Any]) -> Answer:
    """The answer in plain Python, from `data.Item`s."""
    starts = question.boundaries()
    ends = [*starts[1:], question.end + _TICK]
    # By day first: nothing is looked up that the calendar already says.
    zone = ZoneInfo(question.zone)
    number_of: Mapping[tuple[int, int, int], int] = {
        _key(begin.astimezone(zone).date(), question.period): number
        for number, begin in enumerate(starts, start=1)
    }
    counts: defaultdict[Cell, int] = defaultdict(int)
    sums: defaultdict[Cell, Decimal] = defaultdict(Decimal)
    for item in items:
        if not question.start <= item.originated_at <= question.end:
            continue
        day = item.originated_at.astimezone(zone).date()
        number = number_of[_key(day, question.period)] if question.period else 1
        cell = number, tuple(item.values[column] or "" for column in question.columns)
        counts[cell] += 1
        sums[cell] += item.amount
    assert all(start < end for start, end in zip(starts, ends, strict=True))  # noqa: S101
    assert all(low < high for low, high in pairwise(starts))  # noqa: S101
    return filled(question, ((*cell, counts[cell], sums[cell]) for cell in counts))


def _key(day: date, period: Period | None) -> tuple[int, int, int]:
    return (day.year, day.month, day.day if period == "day" else 0)


def _first_day(day: date, period: Period) -> date:
    return day.replace(day=1) if period == "month" else day


def _next_day(day: date, period: Period) -> date:
    if period == "day":
        return day + timedelta(days=1)
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
