"""Where the totals of each period and group are read from.

Comes in: a question and the register's rollups. Goes out: `Plan`, whose SQL yields, for each period
and group that has items,

    period integer, c0 text, c1 text, ..., items bigint, amount numeric

and, from rollups, `low` and `high` for who asks for extremes: the least and the greatest amount.
All of it exactly: one row each, `''` for a missing value. Plans differ in what they cost, never in
what they say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from services.aggregator.arguments import Measure, Scope
from services.aggregator.periods import Periods

ANY_VERSION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Totals:
    """What a plan has to total: the items of `scope`, by `periods` (None: all of the range as
    period 1) and by these physical columns; with `has_extremes` the least and the greatest too."""

    scope: Scope
    periods: Periods | None
    columns: tuple[str, ...]
    has_extremes: bool = False


@dataclass(slots=True)
class Bindings:
    """The values of a statement, numbered as they are used."""

    values: list[object] = field(default_factory=list)

    def bind(self, value: object, sql_type: str) -> str:
        """The placeholder that stands for the value."""
        self.values.append(value)
        return f"${len(self.values)}::{sql_type}"


@dataclass(frozen=True, slots=True)
class Plan:
    """`name` is shown to callers; `totals` is SQL for the rows above. It is exact as long as the
    register's version is `version_max` at most: without a tail, not for what comes later. One that
    `is_narrow` reads few rows, by the index that its bounds are in, whatever these are."""

    name: str
    totals: Callable[[Totals, Bindings], str]
    version_max: int = ANY_VERSION
    is_narrow: bool = False


def column_aliases(columns: tuple[str, ...]) -> list[str]:
    """c0, c1, ...: what plans call the columns, in the order asked."""
    return [f"c{position}" for position in range(len(columns))]


def listed(expression: str) -> str:
    """SQL for the values of a group as one text, a line each: they are numbers, or made of them,
    and tens of thousands of them travel and are read faster so than as an array."""
    return f"string_agg({expression}, E'\\n')"


def lines_of(text: str | None) -> list[str]:
    """What `listed` made one text of; None is what it makes of nothing."""
    return [] if text is None else text.split("\n")


def period_of(time: str, periods: Periods | None, bindings: Bindings) -> str:
    """SQL for the number of the period, from 1, that holds a time of the range."""
    if periods is None:
        return "1"
    starts = bindings.bind(periods.starts, "timestamptz[]")
    stretch = f"width_bucket({time}, {starts})"
    if periods.numbers is None:
        return stretch
    return f"({bindings.bind(periods.numbers, 'int[]')})[{stretch}]"


def _raw(totals: Totals, bindings: Bindings) -> str:
    scope = totals.scope
    period = period_of("originated_at", totals.periods, bindings)
    named = zip(totals.columns, column_aliases(totals.columns), strict=True)
    values = "".join(f"coalesce({column}, '') AS {alias}, " for column, alias in named)
    # A count needs no amounts: adding decimals is most of what a sum costs.
    amount = "NULL::numeric" if scope.measure is Measure.COUNT else "sum(amount)"
    keys = [*(["1"] if totals.periods else []), *totals.columns]
    return f"""
        SELECT {period} AS period, {values}count(*) AS items, {amount} AS amount
          FROM register_items
         WHERE store_id = {bindings.bind(scope.store_id, "bigint")}
           AND register_id = {bindings.bind(scope.register_id, "bigint")}
           AND originated_at BETWEEN {bindings.bind(scope.start_at, "timestamptz")}
                                 AND {bindings.bind(scope.end_at, "timestamptz")}
         {"GROUP BY " + ", ".join(keys) if keys else ""}"""  # noqa: S608 - columns are whitelisted, values bound


RAW = Plan("raw", _raw)
