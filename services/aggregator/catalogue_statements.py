"""The statements behind the catalogue. Pure: no database, no clock.

Comes in: a register, a physical column, perhaps a rollup that holds it. Goes out: SQL and its
values. With a rollup they are exact: its rows, then the items that it does not hold, which are
those that came later and those outside of the time that rollups cover. Without one they look at the
newest items only, so many at most. Columns come from the whitelist; everything else is bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.aggregator.plans import Bindings
from services.aggregator.registers import Place
from shared.contracts.recording import META_COLUMNS
from shared.rollups.definitions import Rollup
from shared.rollups.grid import COVER_END, COVER_START


@dataclass(frozen=True, slots=True)
class Page:
    """The values that begin with `prefix` and come behind `after`, `limit` of them."""

    prefix: str
    after: str
    limit: int

    def condition(self, value: str, bindings: Bindings) -> str:
        """`value` is SQL for text that is compared by code point."""
        behind = f"{value} > {bindings.bind(self.after, 'text')}"
        if not self.prefix:
            return behind
        prefix = bindings.bind(self.prefix, "text")
        return f"{behind} AND {value} >= {prefix} AND starts_with({value}, {prefix})"


def newest_summary(
    place: Place, columns: Sequence[str], *, items_max: int
) -> tuple[str, list[object]]:
    """One row: `looked_at`, and for each column `values_...`, `items_...`, `first_...`, `last_...`;
    one item more than `items_max` is looked at, which tells that there are more."""
    bindings = Bindings()
    parts = "".join(
        f""",
               count(DISTINCT {c}) AS values_{c}, count({c}) AS items_{c},
               min(originated_at) FILTER (WHERE {c} IS NOT NULL) AS first_{c},
               max(originated_at) FILTER (WHERE {c} IS NOT NULL) AS last_{c}"""
        for c in _checked(columns)
    )
    sql = f"""
        SELECT count(*) AS looked_at{parts}
          FROM ({_newest(place, columns, items_max, bindings)}) AS looked"""  # noqa: S608 - columns are whitelisted, values bound
    return sql, bindings.values


def held_summary(place: Place, column: str, rollup: Rollup) -> tuple[str, list[object]]:
    """One row: `values`, `items`, `first_at`, `last_at`. The rollup tells the days of the first and
    the last, the items of those days tell the rest."""
    bindings = Bindings()
    key = _key(column, rollup)
    others = " UNION ALL ".join(
        f"SELECT {column} AS value, originated_at FROM register_items "  # noqa: S608 - columns are whitelisted, values bound
        f"WHERE {condition} AND {column} IS NOT NULL"
        for condition in _not_held(place, rollup, bindings)
    )
    ends = (
        f"""(SELECT originated_at FROM register_items
                 WHERE {_register_is(place, bindings)} AND {column} IS NOT NULL
                   AND originated_at >= (SELECT {which} FROM span)
                   AND originated_at < (SELECT {which} FROM span) + interval '2 days'
                 ORDER BY originated_at {direction} LIMIT 1)"""  # noqa: S608 - columns are whitelisted, values bound
        for which, direction in (("first", "ASC"), ("last", "DESC"))
    )
    sql = f"""
        WITH held AS MATERIALIZED (
            SELECT {key} AS value, sum(items) AS items, min(bucket) AS first, max(bucket) AS last
              FROM rollup_rows WHERE {_rollup_is(place, rollup, bindings)} AND {key} <> ''
             GROUP BY 1
        ), span AS MATERIALIZED (
            SELECT sum(items) AS items, min(first) AS first, max(last) AS last FROM held
        ), others AS MATERIALIZED ({others}
        ), late AS MATERIALIZED (
            SELECT count(*) AS items, min(originated_at) AS first, max(originated_at) AS last
              FROM others
        )
        SELECT (SELECT count(DISTINCT value)
                  FROM (SELECT value FROM held UNION ALL SELECT value FROM others) AS seen)
                   AS values,
               (coalesce(span.items, 0) + late.items)::bigint AS items,
               least(late.first, {next(ends)}) AS first_at,
               greatest(late.last, {next(ends)}) AS last_at
          FROM span, late"""  # noqa: S608 - columns are whitelisted, values bound
    return sql, bindings.values


def newest_values(
    place: Place, column: str, page: Page, *, items_max: int
) -> tuple[str, list[object]]:
    """One row: `looked_at`, `values` and the `items` of each; one value more than the page has."""
    bindings = Bindings()
    (column,) = _checked([column])
    looked = _newest(place, [column], items_max, bindings)
    found = f"""
            SELECT {column} AS value, 1 AS items FROM looked
             WHERE {page.condition(column, bindings)}"""  # noqa: S608 - columns are whitelisted, values bound
    return _listed(looked, found, page, bindings), bindings.values


def held_values(place: Place, column: str, page: Page, rollup: Rollup) -> tuple[str, list[object]]:
    """The same row, of all items."""
    bindings = Bindings()
    key = _key(column, rollup)
    found = f"""
            SELECT {key} AS value, items FROM rollup_rows
             WHERE {_rollup_is(place, rollup, bindings)} AND {page.condition(key, bindings)}"""  # noqa: S608 - columns are whitelisted, values bound
    for condition in _not_held(place, rollup, bindings):
        found += f"""
             UNION ALL
            SELECT {column}, 1 FROM register_items
             WHERE {condition} AND {page.condition(column, bindings)}"""  # noqa: S608 - columns are whitelisted, values bound
    return _listed("SELECT 1 LIMIT 0", found, page, bindings), bindings.values


def _listed(looked: str, found: str, page: Page, bindings: Bindings) -> str:
    return f"""
        WITH looked AS MATERIALIZED ({looked}
        ), listed AS MATERIALIZED (
            SELECT value, sum(items)::bigint AS items FROM ({found}) AS found
             GROUP BY 1 ORDER BY 1 LIMIT {bindings.bind(page.limit + 1, "bigint")}
        )
        SELECT (SELECT count(*) FROM looked) AS looked_at,
               ARRAY(SELECT value FROM listed ORDER BY value) AS values,
               ARRAY(SELECT items FROM listed ORDER BY value) AS items"""  # noqa: S608 - identifiers of ours, values bound


def _newest(place: Place, columns: Sequence[str], items_max: int, bindings: Bindings) -> str:
    return f"""
            SELECT {", ".join(["originated_at", *_checked(columns)])} FROM register_items
             WHERE {_register_is(place, bindings)}
             ORDER BY originated_at DESC LIMIT {bindings.bind(items_max + 1, "bigint")}"""  # noqa: S608 - columns are whitelisted, values bound


def _not_held(place: Place, rollup: Rollup, bindings: Bindings) -> list[str]:
    """Conditions for the items that are not in the rollup, apart, so that each has its index."""
    synced = bindings.bind(rollup.synced_version, "bigint")
    before = bindings.bind(COVER_START, "timestamptz")
    behind = bindings.bind(COVER_END, "timestamptz")
    return [
        f"{_register_is(place, bindings)} AND version > {synced}",
        f"{_register_is(place, bindings)} AND version <= {synced} AND originated_at < {before}",
        f"{_register_is(place, bindings)} AND version <= {synced} AND originated_at >= {behind}",
    ]


def _register_is(place: Place, bindings: Bindings) -> str:
    return (
        f"store_id = {bindings.bind(place.store_id, 'bigint')} "
        f"AND register_id = {bindings.bind(place.register_id, 'bigint')}"
    )


def _rollup_is(place: Place, rollup: Rollup, bindings: Bindings) -> str:
    return (
        f"store_id = {bindings.bind(place.store_id, 'bigint')} "
        f"AND rollup_id = {bindings.bind(rollup.rollup_id, 'bigint')}"
    )


def _key(column: str, rollup: Rollup) -> str:
    (checked,) = _checked([column])
    return f"k{rollup.columns.index(checked)}"


def _checked(columns: Sequence[str]) -> Sequence[str]:
    if not set(columns) <= set(META_COLUMNS):
        raise ValueError(f"not meta columns: {columns}")
    return columns
