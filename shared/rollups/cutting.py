"""The statement that adds a tail to rollups. Pure: no database, no clock.

Comes in: rollups of one register that lack the same items, and from when to when those reach. Goes
out: SQL and the values behind those that say which tail. The tail is cut into the finest buckets
only; what can be added up from another rollup's share of it is: hours from quarters, days from
hours, a column from two. That is a few hundred rows where the tail has ten thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.rollups.grid import Grain, Grid

# Store, register, from and to which version, from and to when.
_TAIL_ARGUMENTS = 6
_BIN = {Grain.QUARTER: "15 minutes", Grain.HOUR: "1 hour"}
_FINENESS = {Grain.QUARTER: 0, Grain.HOUR: 1, Grain.DAY: 2}


@dataclass(frozen=True, slots=True)
class Cut:
    """A rollup: `columns` are physical ones, ascending."""

    rollup_id: int
    grid: Grid
    columns: tuple[str, ...]


def bucket_sql(grid: Grid, days: str, time: str = "originated_at") -> str:
    """SQL for the bucket of a time; `days` is a placeholder for the days' starts."""
    width = _BIN.get(grid.grain)
    if width is not None:
        return f"date_bin('{width}', {time}, 'epoch'::timestamptz)"
    return f"({days}::timestamptz[])[width_bucket({time}, {days}::timestamptz[])]"


def day_starts(grid: Grid, first: datetime, last: datetime) -> tuple[list[datetime], ...]:
    """The extra parameter that `bucket_sql` needs, if any."""
    return () if grid.grain in _BIN else (grid.starts(first, last),)


def in_order_of_making(cuts: Sequence[Cut]) -> list[Cut]:
    """What others may be added up from comes before them."""
    return sorted(cuts, key=lambda cut: (-len(cut.columns), _FINENESS[cut.grid.grain]))


def fold_sql(cuts: Sequence[Cut], first: datetime, last: datetime) -> tuple[str, list[object]]:
    """For cuts in the order of making. One row: how many rows are new in each."""
    arguments: list[object] = []
    made = []
    for number, cut in enumerate(cuts):
        arguments.append(cut.rollup_id)
        placeholder = f"${_TAIL_ARGUMENTS + len(arguments)}"
        days = day_starts(cut.grid, first, last)
        source = _source(cut, cuts[:number], days[0] if days else [])
        starts = f"${_TAIL_ARGUMENTS + len(arguments) + 1}"
        if source is None:
            arguments += days
            share = _from_tail(cut, starts)
        else:
            other = cuts[source]
            arguments += days if cut.grid != other.grid else ()
            share = _from_other(cut, other, f"share{source}", starts)
        made += [f"share{number} AS ({share})", _written(number, placeholder, len(cut.columns))]
    columns = sorted({column for cut in cuts for column in cut.columns})
    added = ", ".join(
        f"(SELECT count(*) FILTER (WHERE is_new) FROM written{number})"  # noqa: S608 - numbers
        for number in range(len(cuts))
    )
    sql = f"""
        WITH tail AS (
            SELECT {", ".join(("originated_at", "amount", *columns))}
              FROM register_items
             WHERE store_id = $1 AND register_id = $2
               AND version > $3 AND version <= $4
               AND originated_at >= $5 AND originated_at < $6
        ), {", ".join(made)}
        SELECT {added}"""  # noqa: S608 - columns come from CHECKed rows of ours
    return sql, arguments


def _source(cut: Cut, before: Sequence[Cut], starts: Sequence[datetime]) -> int | None:
    """The place of the one with the fewest rows that this one can be added up from."""
    fitting = [
        (len(other.columns), -_FINENESS[other.grid.grain], place)
        for place, other in enumerate(before)
        if set(cut.columns) <= set(other.columns) and _is_made_of(cut.grid, other.grid, starts)
    ]
    return min(fitting)[2] if fitting else None


def _is_made_of(grid: Grid, finer: Grid, starts: Sequence[datetime]) -> bool:
    """Whether each bucket of the grid consists of whole ones of the other. Days may begin amid a
    quarter, as some did in the last century."""
    if grid == finer:
        return True
    if _FINENESS[finer.grain] >= _FINENESS[grid.grain]:
        return False
    return grid.grain is Grain.HOUR or all(finer.beginning(starts))


def _names(count: int) -> str:
    return "".join(f", k{n}" for n in range(count))


def _from_tail(cut: Cut, days: str) -> str:
    keys = "".join(f", coalesce({column}, '') AS k{n}" for n, column in enumerate(cut.columns))
    names = _names(len(cut.columns))
    return f"""
            SELECT bucket{names}, count(*) AS items, sum(amount) AS amount,
                   min(amount) AS low, max(amount) AS high
              FROM (SELECT {bucket_sql(cut.grid, days)} AS bucket{keys}, amount FROM tail) AS cut
             GROUP BY bucket{names}"""  # noqa: S608 - columns come from CHECKed rows of ours


def _from_other(cut: Cut, other: Cut, share: str, days: str) -> str:
    keys = "".join(
        f", k{other.columns.index(column)} AS k{n}" for n, column in enumerate(cut.columns)
    )
    names = _names(len(cut.columns))
    bucket = "bucket" if cut.grid == other.grid else bucket_sql(cut.grid, days, "bucket")
    return f"""
            SELECT bucket{names}, sum(items)::bigint AS items, sum(amount) AS amount,
                   min(low) AS low, max(high) AS high
              FROM (SELECT {bucket} AS bucket{keys}, items, amount, low, high FROM {share}) AS cut
             GROUP BY bucket{names}"""  # noqa: S608 - identifiers of ours


def _written(number: int, rollup_id: str, columns: int) -> str:
    names = _names(columns)
    return f"""written{number} AS (
            INSERT INTO rollup_rows AS held
                   (store_id, rollup_id, bucket{names}, items, amount, low, high)
            SELECT $1, {rollup_id}::bigint, bucket{names}, items, amount, low, high
              FROM share{number}
            ON CONFLICT (store_id, rollup_id, bucket, k0, k1, k2, k3)
            DO UPDATE SET items = held.items + excluded.items,
                          amount = held.amount + excluded.amount,
                          low = least(held.low, excluded.low),
                          high = greatest(held.high, excluded.high)
            RETURNING xmax = 0 AS is_new
        )"""  # noqa: S608 - identifiers of ours
