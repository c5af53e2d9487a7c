"""The items: a formula for each, the same in SQL (fast) and in Python (to be checked against).

Comes in: a seed and how many items there are. Goes out: SQL that yields them, or one of them.
20 registers, of which the first has 46 of every 100 items; six columns of 3 to 2,000 values; two
years in which the items lie evenly, each up to a day off its place, as ledgers are written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from bench.counting.questions import END, START

PRIME = 2**31 - 1
# How many of every hundred items each register has.
SHARES = (46, 11, 8, 6, 5, 4, 3, 3, 2, 2, *(1,) * 10)
REGISTERS = len(SHARES)
_JITTER_SECONDS = 86_400
_SPAN_SECONDS = int((END - START).total_seconds()) - _JITTER_SECONDS
_AMOUNTS = 20_000
_SQUARE_BITS = 20


@dataclass(frozen=True)
class Column:
    """`skewed`: the first values are the most frequent. `gaps`: one value more, which is none."""

    label: str
    values: int
    skewed: bool = False
    gaps: bool = False


COLUMNS = (
    Column("income_account", 12),
    Column("warehouse", 5),
    Column("channel", 3, gaps=True),
    Column("region", 50),
    Column("vendor", 300, skewed=True),
    Column("sku", 2_000, skewed=True),
)
LABELS = [column.label for column in COLUMNS]


@dataclass(frozen=True)
class Item:
    """`register` counts from 0; an instant has whole microseconds."""

    unique_key: str
    register: int
    originated_at: datetime
    amount: Decimal
    values: tuple[str | None, ...]


class Items:
    """`total` items of a seed, numbered from 0."""

    def __init__(self, total: int, seed: int = 1) -> None:
        self.total = total
        self.seed = seed
        self._draws = [_coefficients(seed, number) for number in range(3 + len(COLUMNS))]
        slots = [register for register, share in enumerate(SHARES) for _ in range(share)]
        # 37 and 100 have no common divisor: all slots, well mixed.
        self._slots = [slots[position * 37 % 100] for position in range(100)]

    def item(self, n: int) -> Item:
        """The n-th item, from the formula."""
        seconds, micros, cents, *values = (_draw(n, c) for c in self._draws)
        moment = timedelta(
            seconds=n * _SPAN_SECONDS // self.total + seconds % _JITTER_SECONDS,
            microseconds=micros % 1_000_000,
        )
        return Item(
            unique_key=f"item-{n:09d}",
            register=self._slots[n % 100],
            originated_at=START + moment,
            amount=Decimal(cents % _AMOUNTS - _AMOUNTS // 10).scaleb(-2),
            values=tuple(map(_value, COLUMNS, values)),
        )

    def __iter__(self) -> Iterator[Item]:
        return map(self.item, range(self.total))

    def sql(self) -> str:
        """The same as rows: unique_key, register, originated_at, amount, meta0, meta1, ..."""
        first = ", ".join(
            f"(n * {a} + {b}) % {PRIME} AS x{number}"
            for number, (a, b, _, _) in enumerate(self._draws)
        )
        second = ", ".join(
            f"(x{number} * x{number} % {PRIME} * {c} + {d}) % {PRIME} AS d{number}"
            for number, (_, _, c, d) in enumerate(self._draws)
        )
        metas = ", ".join(
            f"{_value_sql(column, f'd{number}')} AS meta{number - 3}"
            for number, column in enumerate(COLUMNS, start=3)
        )
        start_us = int((START - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000
        return f"""
            SELECT 'item-' || lpad(n::text, 9, '0') AS unique_key,
                   (ARRAY{self._slots})[n % 100 + 1] AS register,
                   '1970-01-01Z'::timestamptz
                     + ({start_us} + (n * {_SPAN_SECONDS} / {self.total}
                                      + d0 % {_JITTER_SECONDS}) * 1000000 + d1 % 1000000)
                     * interval '1 microsecond' AS originated_at,
                   ((d2 % {_AMOUNTS} - {_AMOUNTS // 10}) * 0.01)::numeric(12, 2) AS amount,
                   {metas}
              FROM (SELECT n, {second}
                      FROM (SELECT n, {first}
                              FROM generate_series(0::bigint, {self.total - 1}) AS n
                            OFFSET 0) AS drawn
                    OFFSET 0) AS items"""  # noqa: S608 - numbers of ours


def _coefficients(seed: int, number: int) -> tuple[int, int, int, int]:
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    a, b, c, d = (
        int.from_bytes(digest[start : start + 8]) % (PRIME - 1) + 1 for start in range(0, 32, 8)
    )
    return a, b, c, d


def _draw(n: int, coefficients: tuple[int, int, int, int]) -> int:
    a, b, c, d = coefficients
    x = (n * a + b) % PRIME
    return (x * x % PRIME * c + d) % PRIME


def _value(column: Column, draw: int) -> str | None:
    values = column.values + column.gaps
    if column.skewed:
        place = (draw >> 31 - _SQUARE_BITS) ** 2 * values >> 2 * _SQUARE_BITS
    else:
        place = draw % values
    return f"{column.label}-{place:04d}" if place < column.values else None


def _value_sql(column: Column, draw: str) -> str:
    values = column.values + column.gaps
    if column.skewed:
        shifted = f"({draw} >> {31 - _SQUARE_BITS})"
        place = f"({shifted} * {shifted} * {values} >> {2 * _SQUARE_BITS})"
    else:
        place = f"({draw} % {values})"
    text = f"'{column.label}-' || lpad(({place})::text, 4, '0')"
    return f"CASE WHEN {place} < {column.values} THEN {text} END" if column.gaps else text
