"""The one statement that answers a question. Pure: no database, no clock.

Comes in: the plan, what it totals, the rendering and the limits. Goes out: SQL and the values bound
in it. Identifiers come from the whitelist of physical columns; everything else is bound.

The statement's single row says how many groups there are, how many bytes the periods' and groups'
pieces of the body come to, and holds the body, or NULL when either is over its limit: then nothing
is put together.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.aggregator.arguments import Measure
from services.aggregator.plans import Bindings, Plan, Totals, column_aliases
from services.aggregator.rendering import Rendering
from shared.contracts.recording import META_COLUMNS


@dataclass(frozen=True, slots=True)
class Statement:
    """`groups_max` is how many groups fit into the rows that an answer may have."""

    sql: str
    values: tuple[object, ...]
    groups_max: int


def build_statement(
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
    rows = plan.totals(totals, bindings)
    periods = len(rendering.periods)
    groups_max = rows_max // periods
    # The limit ends a question with far too many groups before they are sorted and written:
    # with a row more than may be in the answer there are more groups than may be in it.
    sql = f"""
    WITH totals AS MATERIALIZED ({rows}
         LIMIT {bindings.bind(rows_max + 1, "bigint")}
    ), cells AS MATERIALIZED (
        SELECT {", ".join(["period", *aliases])},
               ({_value(totals.scope.measure, invert_sign=invert_sign)})::text AS value
          FROM totals
    ), groups AS MATERIALIZED (
        {_groups(aliases, rendering, bindings)}
    ), size AS MATERIALIZED (
        SELECT count(*) AS groups, coalesce(sum(octet_length(piece)), 0) AS bytes FROM groups
    ), periods AS MATERIALIZED (
        SELECT piece, place FROM unnest({bindings.bind(rendering.periods, "text[]")})
                                 WITH ORDINALITY AS listed (piece, place)
    )
    SELECT size.groups,
           CASE WHEN size.groups <= {bindings.bind(groups_max, "bigint")}
                 AND size.bytes * {bindings.bind(periods, "bigint")}
                     <= {bindings.bind(body_bytes_max, "bigint")}
           THEN convert_to({bindings.bind(rendering.opening, "text")} || coalesce((
                SELECT string_agg(periods.piece || groups.piece || coalesce(cells.value, '0')
                                  || {bindings.bind(rendering.row_end, "text")},
                                  {bindings.bind(rendering.separator, "text")}
                                  ORDER BY groups.place, periods.place)
                  FROM groups
                 CROSS JOIN periods
                  LEFT JOIN cells ON cells.period = periods.place
                                 {"".join(f"AND cells.{c} = groups.{c} " for c in aliases)}
           ), '') || {bindings.bind(rendering.closing, "text")}, 'UTF8') END AS body
      FROM size"""  # noqa: S608 - columns are whitelisted, values bound
    return Statement(sql, tuple(bindings.values), groups_max)


def _groups(aliases: list[str], rendering: Rendering, bindings: Bindings) -> str:
    if not aliases:
        # There is one group, with items or without.
        return f"SELECT 1 AS place, {bindings.bind(rendering.group, 'text')} AS piece"
    columns = ", ".join(aliases)
    return f"""
        SELECT {columns}, row_number() OVER (ORDER BY {columns}) AS place,
               {rendering.group_sql} AS piece
          FROM (SELECT DISTINCT {columns} FROM cells) AS found"""  # noqa: S608 - columns are whitelisted


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
