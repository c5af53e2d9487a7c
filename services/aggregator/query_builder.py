"""The one statement that answers a question. Pure: no database, no clock.

Comes in: the plan, what it totals, the rendering and the limit. Goes out: SQL and the values bound
in it. Identifiers come from the whitelist of physical columns; everything else is bound.

With columns it has a row for each group, in order: the register's state, whether the pieces alone
are within the body's limit (`fits`), and then the group's piece of the body, the numbers of the
periods it has items in, and their values as JSON writes them. No group, or another state than the
question was made for: the state alone.

Without columns there is one group, whose piece is known: one row, the state and `cells`, an array
of the numbers of the periods and of their values; NULL for another state. `body` puts it together.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.aggregator.arguments import Measure
from services.aggregator.plans import Bindings, Plan, Totals, column_aliases, listed
from services.aggregator.registers import Place, Seen, state_sql
from services.aggregator.rendering import Rendering
from shared.contracts.recording import META_COLUMNS


@dataclass(frozen=True, slots=True)
class Statement:
    """`groups_max` is how many groups fit into the rows that an answer may have; the statement
    gives at most one more, which tells that there are too many. `is_planned_once`: `reading`."""

    sql: str
    values: tuple[object, ...]
    groups_max: int
    is_planned_once: bool


def build_statement(
    known: Seen,
    plan: Plan,
    totals: Totals,
    rendering: Rendering,
    *,
    invert_sign: bool,
    rows_max: int,
    body_bytes_max: int,
) -> Statement:
    """Raises `ValueError` for a column that no register has: a mistake of ours."""
    if not set(totals.columns) <= set(META_COLUMNS):
        raise ValueError(f"not meta columns: {totals.columns}")
    aliases = column_aliases(totals.columns)
    bindings = Bindings()
    place_asked = Place(totals.scope.store_id, totals.scope.register_id)
    state = state_sql(place_asked, known, plan.version_max, bindings)
    rows = plan.totals(totals, bindings)
    periods = len(rendering.periods)
    groups_max = rows_max // periods
    value = f"coalesce(({_value(totals.scope.measure, invert_sign=invert_sign)})::text, '0')"
    if not aliases:
        sql = _one_group(state, rows, value, has_periods=totals.periods is not None)
        return Statement(sql, tuple(bindings.values), groups_max, plan.is_narrow)
    columns = ", ".join(aliases)
    # The first limit ends a question with far too many groups before they are sorted and written:
    # with a row more than may be in the answer there are more groups than may be in it. The size
    # ends one with far too long ones before they travel.
    sql = f"""
    WITH state AS MATERIALIZED ({state}
    ), groups AS MATERIALIZED (
        SELECT row_number() OVER (ORDER BY {columns}) AS place, {rendering.group_sql} AS piece,
               {listed("period::text")} AS periods, {listed("value")} AS values
          FROM (SELECT period, {columns}, {value} AS value
                  FROM ({rows}
                        LIMIT {bindings.bind(rows_max + 1, "bigint")}) AS totals
                 WHERE (SELECT is_same FROM state)) AS cells
         GROUP BY {columns}
         LIMIT {bindings.bind(groups_max + 1, "bigint")}
    ), size AS MATERIALIZED (
        SELECT coalesce(sum(octet_length(piece)), 0) * {bindings.bind(periods, "bigint")}
               <= {bindings.bind(body_bytes_max, "bigint")} AS fits
          FROM groups
    )
    SELECT state.version, state.is_same, state.definition, given.fits, given.piece, given.periods,
           given.values
      FROM state LEFT JOIN (
           SELECT place, fits, CASE WHEN fits THEN piece END AS piece,
                  CASE WHEN fits THEN periods END AS periods,
                  CASE WHEN fits THEN values END AS values
             FROM groups, size) AS given ON state.is_same
     ORDER BY place"""  # noqa: S608 - columns are whitelisted, values bound
    return Statement(sql, tuple(bindings.values), groups_max, is_planned_once=False)


def _one_group(state: str, rows: str, value: str, *, has_periods: bool) -> str:
    """Without joins, order and sizes: planning them takes longer than running them. A query for a
    value of its own is run when it is asked for, so nothing is read for another state."""
    cells = f"ARRAY['1', {value}]"
    if has_periods:
        cells = f"ARRAY[{listed('period::text')}, {listed(value)}]"
    return f"""
    WITH state AS MATERIALIZED ({state}
    )
    SELECT version, is_same, definition,
           CASE WHEN is_same THEN (SELECT {cells} FROM ({rows}) AS totals) END AS cells
      FROM state"""  # noqa: S608 - identifiers of ours, values bound


def _value(measure: Measure, *, invert_sign: bool) -> str:
    """A JSON number: no exponent, no trailing zeros, no negative zero (numeric has none)."""
    sign = "-" if invert_sign else ""
    if measure is Measure.COUNT:
        return "items"
    if measure is Measure.SUM:
        return f"trim_scale({sign}amount)"
    # A division has at least 16 significant digits, and as many decimals as what is divided. An
    # average that has a last digit is exact: dividing by n adds as many decimals as n has factors
    # of 2 or of 5, which is log2(n) at most (ln 2 is a little over 0.69).
    digits = "scale(amount) + ceil(ln(items::float8) / 0.69)::int"
    return f"CASE WHEN items > 0 THEN trim_scale({sign}round(amount, {digits}) / items) ELSE 0 END"
