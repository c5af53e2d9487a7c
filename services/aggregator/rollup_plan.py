"""The plan that reads rollups: whole buckets from them, the edges and the tail from the items.

Comes in: a question, rollups that hold the same versions (coarse to fine), their cover. Goes out: a
`Plan` whose SQL is a union of up to four kinds of parts, added up by period and group:

    buckets of whole periods       their period is told from the bucket
    buckets of listed stretches    each with its period and its sign
    items of listed stretches      likewise, up to the version that the rollups hold
    the tail                       all items of the range that came after that version

Items are found by time or by version, and which is the better way the database tells by the bounds
and by its statistics. It may have neither, of a plan that is made for any bounds and of a register
that is new: then the edges of a range took 2 s, of a register of millions. So it is told: by time
at the edges, by version in the tail, unless that is long. What finds items is put in the order of
its index, which costs nothing by that one, and keeps other conditions out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from services.aggregator.arguments import Measure
from services.aggregator.cover import Cover, Stretch
from services.aggregator.plans import (
    ANY_VERSION,
    Bindings,
    Plan,
    Totals,
    column_aliases,
    period_of,
)
from shared.rollups.definitions import Rollup
from shared.rollups.grid import Grain

# Longer than any on which clocks are changed, and the one that Apia went without.
_LONG_DAY = timedelta(hours=50)


class Tail(Enum):
    """What came since the rollups were folded: perhaps nothing, but it is looked for; or more than
    the whole range may hold."""

    NONE = 0
    SHORT = 1
    LONG = 2


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the parts of one statement; the values go to `bindings`."""

    totals: Totals
    bindings: Bindings

    @property
    def aliases(self) -> list[str]:
        return column_aliases(self.totals.columns)

    def amount(self, expression: str) -> str:
        # A count needs no amounts: adding decimals is most of what a sum costs.
        return "NULL::numeric" if self.totals.scope.measure is Measure.COUNT else expression

    def extremes(self, low: str, high: str) -> str:
        return f", {low} AS low, {high} AS high" if self.totals.has_extremes else ""

    def keys(self, rollup: Rollup) -> str:
        """The rollup's own names of the columns asked for."""
        return "".join(
            f"b.k{rollup.columns.index(column)} AS {alias}, "
            for column, alias in zip(self.totals.columns, self.aliases, strict=True)
        )

    @property
    def read(self) -> str:
        """What is needed of an item. Not everything may be read."""
        columns = ("originated_at", "version", "amount", *self.totals.columns)
        return ", ".join(f"i.{column}" for column in columns)

    def values(self) -> str:
        return "".join(
            f"coalesce(i.{column}, '') AS {alias}, "
            for column, alias in zip(self.totals.columns, self.aliases, strict=True)
        )

    def rollup_is(self, rollup: Rollup) -> str:
        scope = self.totals.scope
        return (
            f"b.store_id = {self.bindings.bind(scope.store_id, 'bigint')} "
            f"AND b.rollup_id = {self.bindings.bind(rollup.rollup_id, 'bigint')}"
        )

    def register_is(self) -> str:
        scope = self.totals.scope
        return (
            f"i.store_id = {self.bindings.bind(scope.store_id, 'bigint')} "
            f"AND i.register_id = {self.bindings.bind(scope.register_id, 'bigint')}"
        )

    def stretches(self, listed: Sequence[Stretch]) -> str:
        bind = self.bindings.bind
        return (
            f"unnest({bind([s.low for s in listed], 'timestamptz[]')}, "
            f"{bind([s.high for s in listed], 'timestamptz[]')}, "
            f"{bind([s.period for s in listed], 'int[]')}, "
            f"{bind([s.sign for s in listed], 'int[]')}) AS s (low, high, period, sign)"
        )

    def aligned(self, rollup: Rollup, run: Sequence[Stretch]) -> str:
        period = period_of("b.bucket", self.totals.periods, self.bindings)
        return f"""
            SELECT {period} AS period, {self.keys(rollup)}b.items,
                   {self.amount("b.amount")} AS amount{self.extremes("b.low", "b.high")}
              FROM rollup_rows b
             WHERE {self.rollup_is(rollup)}
               AND b.bucket >= {self.bindings.bind(run[0].low, "timestamptz")}
               AND b.bucket < {self.bindings.bind(run[-1].high, "timestamptz")}"""  # noqa: S608 - identifiers of ours, values bound

    def alone(self, listed: Sequence[Stretch]) -> tuple[str, str, str, str] | None:
        """(low, high, period, sign) of a stretch that is the only one, as most are of a question
        without periods: no join has to be planned for it."""
        if len(listed) > 1:
            return None
        bind, one = self.bindings.bind, listed[0]
        return (
            bind(one.low, "timestamptz"),
            bind(one.high, "timestamptz"),
            bind(one.period, "int"),
            bind(one.sign, "int"),
        )

    def buckets(self, rollup: Rollup, listed: Sequence[Stretch]) -> str:
        if one := self.alone(listed):
            low, high, period, sign = one
            return f"""
            SELECT {period} AS period, {self.keys(rollup)}{sign} * b.items AS items,
                   {self.amount(f"{sign} * b.amount")} AS amount
                   {self.extremes("b.low", "b.high")}
              FROM rollup_rows b
             WHERE {self.rollup_is(rollup)} AND b.bucket >= {low} AND b.bucket < {high}"""  # noqa: S608 - identifiers of ours, values bound
        return f"""
            SELECT s.period, {self.keys(rollup)}s.sign * b.items AS items,
                   {self.amount("s.sign * b.amount")} AS amount{self.extremes("b.low", "b.high")}
              FROM {self.stretches(listed)}
              JOIN rollup_rows b
                ON {self.rollup_is(rollup)} AND b.bucket >= s.low AND b.bucket < s.high"""  # noqa: S608 - identifiers of ours, values bound

    def items(self, listed: Sequence[Stretch], synced_version: int) -> str:
        if one := self.alone(listed):
            low, high, period, sign = one
            stretches = ""
        else:
            low, high, period, sign = "s.low", "s.high", "s.period", "s.sign"
            stretches = f"{self.stretches(listed)} CROSS JOIN LATERAL "
        return f"""
            SELECT {period} AS period, {self.values()}{sign}::bigint AS items,
                   {self.amount(f"{sign} * i.amount")} AS amount
                   {self.extremes("i.amount", "i.amount")}
              FROM {stretches}(
                   SELECT {self.read} FROM register_items i
                    WHERE {self.register_is()}
                      AND i.originated_at >= {low} AND i.originated_at < {high}
                    ORDER BY i.originated_at) AS i
             WHERE i.version <= {self.bindings.bind(synced_version, "bigint")}"""  # noqa: S608 - identifiers of ours, values bound

    def tail(self, synced_version: int, *, is_long: bool) -> str:
        scope = self.totals.scope
        period = period_of("i.originated_at", self.totals.periods, self.bindings)
        # Nothing is beyond the last: a plan for any bounds takes the part between two for small.
        return f"""
            SELECT {period} AS period, {self.values()}1::bigint AS items,
                   {self.amount("i.amount")} AS amount{self.extremes("i.amount", "i.amount")}
              FROM (SELECT {self.read} FROM register_items i
                     WHERE {self.register_is()}
                       AND i.version > {self.bindings.bind(synced_version, "bigint")}
                       AND i.version <= {self.bindings.bind(ANY_VERSION, "bigint")}
                     {"" if is_long else "ORDER BY i.version"}) AS i
             WHERE i.originated_at BETWEEN {self.bindings.bind(scope.start_at, "timestamptz")}
                                       AND {self.bindings.bind(scope.end_at, "timestamptz")}"""  # noqa: S608 - identifiers of ours, values bound


def rollup_plan(name: str, rollups: Sequence[Rollup], covered: Cover, tail: Tail) -> Plan:
    """Read `covered` from the rollups it was made for. Without a tail none is looked for."""
    synced_version = rollups[0].synced_version
    has_tail = tail is not Tail.NONE
    is_narrow = tail is not Tail.LONG and not any(rollup.columns for rollup in rollups)

    def totals_sql(totals: Totals, bindings: Bindings) -> str:
        writer = _Writer(totals, bindings)
        parts: list[str] = []
        for rollup, listed in zip(rollups, covered.buckets, strict=True):
            if listed:
                parts.append(writer.buckets(rollup, listed))
        if covered.raw:
            parts.append(writer.items(covered.raw, synced_version))
        if has_tail:
            parts.append(writer.tail(synced_version, is_long=tail is Tail.LONG))
        if not covered.aligned:
            return _added_up(writer, parts)
        aligned = writer.aligned(rollups[0], covered.aligned)
        if not _is_a_cell_each(rollups[0], covered.aligned, totals):
            return _added_up(writer, [aligned, *parts])
        return _beside(writer, aligned, _added_up(writer, parts)) if parts else aligned

    return Plan(name, totals_sql, ANY_VERSION if has_tail else synced_version, is_narrow)


def _is_a_cell_each(rollup: Rollup, run: Sequence[Stretch], totals: Totals) -> bool:
    """Whether each row of the rollup is a cell of the answer: its columns are those asked for, and
    each period is one bucket."""
    if set(rollup.columns) != set(totals.columns) or rollup.grid.grain is not Grain.DAY:
        return False
    if totals.periods is None or totals.periods.numbers is not None:
        return False
    # That of months is seen without counting their days.
    if run[-1].high - run[0].low > len(run) * _LONG_DAY:
        return False
    # The days of the run, the one that begins where it ends, and the one behind that.
    return len(rollup.grid.starts(run[0].low, run[-1].high)) == len(run) + 2


def _added_up(writer: _Writer, parts: Sequence[str]) -> str:
    """The parts' rows with the same period and group, as one."""
    aliases = "".join(f"{alias}, " for alias in writer.aliases)
    if writer.totals.periods is None and not aliases:
        # All of it is one cell, in period 1.
        period, grouped = "1 AS period", ""
    else:
        keys = ", ".join(str(number) for number in range(1, len(writer.aliases) + 2))
        period, grouped = "period", f"GROUP BY {keys}"
    # Counts as integers of four bytes: their sum is one of eight, which is much cheaper to add up
    # than the decimal that eight would make. A bucket of two billion items would be an error.
    return f"""
        SELECT {period}, {aliases}sum(items::int) AS items, sum(amount) AS amount
               {writer.extremes("min(low)", "max(high)")}
          FROM ({" UNION ALL ".join(parts)}) AS parts
         {grouped}
        HAVING sum(items::int) > 0"""  # noqa: S608 - identifiers of ours, values bound


def _beside(writer: _Writer, cells: str, others: str) -> str:
    """Cells that are there already, with the few others added to them: no need to group the many
    for the sake of the few."""
    keys = ["period", *writer.aliases]
    named = "".join(f"coalesce(c.{key}, o.{key}) AS {key}, " for key in keys)
    same = " AND ".join(f"c.{key} = o.{key}" for key in keys)
    amount = writer.amount("coalesce(c.amount, 0) + coalesce(o.amount, 0)")
    # Who has none says nothing: NULL is not the least.
    extremes = writer.extremes("least(c.low, o.low)", "greatest(c.high, o.high)")
    return f"""
        SELECT {named}coalesce(c.items, 0) + coalesce(o.items, 0) AS items,
               {amount} AS amount{extremes}
          FROM ({cells}) AS c
          FULL JOIN ({others}) AS o ON {same}"""  # noqa: S608 - identifiers of ours, values bound
