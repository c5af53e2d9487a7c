"""The one statement that answers an analysis. Pure: no database, no clock.

Comes in: for each range (the one asked for, and the one it is compared with) its plan and what that
totals; the pieces of the body; the limits. Goes out: SQL and the values bound in it.

    cells    each range's numbers by period and group, filtered
    ranked   the groups in their order; those behind the limit share the place behind it
    written  the numbers of each place and period, and over all places, as they are shown
    groups   the pieces of the groups that are shown

The statement's single row says how many cells and groups there are, and holds the body, or NULL
when it would be over its limit: then nothing is put together.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.aggregator.analysis_arguments import Analysis
from services.aggregator.analysis_cells import Source, cells_sql
from services.aggregator.analysis_rendering import Pieces, values_sql
from services.aggregator.plans import Bindings, column_aliases
from shared.contracts.recording import META_COLUMNS

# With a limit, this many cells may be looked at for each row that may be shown.
CELLS_PER_ROW = 10
# Averages of different groups that differ at all differ before this digit: amounts have at most 38
# decimals, and numbers of items at most 11 digits.
_RANK_DECIMALS = 64


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    values: tuple[object, ...]
    cells_max: int
    groups_max: int


def build_analysis(
    analysis: Analysis,
    sources: list[Source],
    pieces: Pieces,
    *,
    representation: str,
    rows_max: int,
    body_bytes_max: int,
) -> Statement:
    """Raises `ValueError` for a column that no register has: a mistake of ours."""
    columns = {column for source in sources for column in source.totals.columns}
    if not columns <= set(META_COLUMNS):
        raise ValueError(f"not meta columns: {columns}")
    bindings = Bindings()
    aliases = column_aliases(analysis.grouping.columns)
    cells = " UNION ALL ".join(
        cells_sql(analysis, source, era, bindings) for era, source in enumerate(sources)
    )
    cells_max = rows_max * (2 if analysis.limit is None else CELLS_PER_ROW)
    groups_max = rows_max // len(pieces.periods)
    keys = "".join(f"{alias}, " for alias in aliases)
    matching = " AND ".join(f"r.{alias} = c.{alias}" for alias in aliases) or "true"
    sets = "(place, era, period), (era, period), (era)"
    sql = f"""
    WITH cells AS MATERIALIZED ({cells}
         LIMIT {bindings.bind(cells_max + 1, "bigint")}
    ), ranked AS MATERIALIZED (
        {_ranked(analysis, aliases, bindings)}
    ), placed AS (
        SELECT r.place, c.era, c.period, c.items, c.amount, c.low, c.high
          FROM cells c JOIN ranked r ON {matching}
    ), written AS MATERIALIZED (
        SELECT place, era, period, {_values(analysis, representation)} AS numbers
          FROM (SELECT place, era, period, sum(items)::bigint AS items, sum(amount) AS amount,
                       min(low) AS low, max(high) AS high
                  FROM placed
                 GROUP BY GROUPING SETS ({sets if pieces.grand_total else "(place, era, period)"})
               ) AS summed
    ), groups AS MATERIALIZED (
        {_groups(analysis, pieces, keys, bindings)}
    ), size AS MATERIALIZED (
        SELECT (SELECT count(*) FROM cells) AS cells, (SELECT count(*) FROM groups) AS groups,
               (SELECT coalesce(sum(octet_length(piece)), 0) FROM groups)
                   * {bindings.bind(len(pieces.periods), "bigint")}
                   + (SELECT coalesce(sum(octet_length(numbers)), 0) FROM written) AS bytes
    ), periods AS MATERIALIZED (
        SELECT piece, place FROM unnest({bindings.bind(pieces.periods, "text[]")})
                                 WITH ORDINALITY AS listed (piece, place)
    )
    SELECT size.cells, size.groups,
           CASE WHEN size.cells <= {bindings.bind(cells_max, "bigint")}
                 AND size.groups <= {bindings.bind(groups_max, "bigint")}
                 AND size.bytes <= {bindings.bind(body_bytes_max, "bigint")}
           THEN convert_to({_body(analysis, pieces, bindings)}, 'UTF8') END AS body
      FROM size"""  # noqa: S608 - columns are whitelisted, values bound
    return Statement(sql, tuple(bindings.values), cells_max, groups_max)


def _ranked(analysis: Analysis, aliases: list[str], bindings: Bindings) -> str:
    if not aliases:
        return "SELECT 1::bigint AS place"
    keys = ", ".join(aliases)
    order = keys
    if analysis.order_by is not None:
        rank = {
            "count": "coalesce(items, 0)",
            "sum": "coalesce(amount, 0)",
            "average": f"coalesce(round(amount, {_RANK_DECIMALS}) / items, 0)",
            "min": "low",
            "max": "high",
        }[analysis.order_by]
        order = f"{rank} {'DESC' if analysis.is_descending else 'ASC'} NULLS LAST, {keys}"
    place = f"row_number() OVER (ORDER BY {order})"
    if analysis.limit is not None:
        place = f"least({place}, {bindings.bind(analysis.limit + 1, 'bigint')})"
    # A group that is there only in the range compared with has nothing to be ranked by.
    return f"""
        SELECT {keys}, {place} AS place
          FROM (SELECT {keys}, sum(items) FILTER (WHERE era = 0) AS items,
                       sum(amount) FILTER (WHERE era = 0) AS amount,
                       min(low) FILTER (WHERE era = 0) AS low,
                       max(high) FILTER (WHERE era = 0) AS high
                  FROM cells GROUP BY {keys}) AS found"""  # noqa: S608 - identifiers of ours, values bound


def _groups(analysis: Analysis, pieces: Pieces, keys: str, bindings: Bindings) -> str:
    if not keys:
        # There is one group, with items or without.
        return f"SELECT 1::bigint AS place, {bindings.bind(pieces.group, 'text')} AS piece"
    if analysis.limit is None:
        return f"SELECT place, {pieces.group_sql} AS piece FROM ranked"  # noqa: S608 - whitelisted
    return f"""
        SELECT place, {pieces.group_sql} AS piece FROM ranked
         WHERE place <= {bindings.bind(analysis.limit, "bigint")}
         UNION ALL
        SELECT DISTINCT place, {bindings.bind(pieces.other, "text")} FROM ranked
         WHERE place > {bindings.bind(analysis.limit, "bigint")}"""  # noqa: S608 - columns are whitelisted, values bound


def _values(analysis: Analysis, representation: str) -> str:
    """JSON numbers: no exponent, no trailing zeros. An average that has a last digit is exact (see
    `query_builder`)."""
    digits = "scale(amount) + ceil(ln(items::float8) / 0.69)::int"
    number_of = {
        "count": "items",
        "sum": "trim_scale(amount)",
        "average": f"trim_scale(round(amount, {digits}) / items)",
        "min": "trim_scale(low)",
        "max": "trim_scale(high)",
    }
    return values_sql(representation, analysis.measures, number_of)


def _body(analysis: Analysis, pieces: Pieces, bindings: Bindings) -> str:
    def text(piece: str) -> str:
        return bindings.bind(piece, "text")

    def numbers() -> str:
        """The values of a row, and those it is compared with."""
        now = f"{text(pieces.values_start)} || coalesce(now.numbers, {text(pieces.no_values)})"
        if not analysis.is_compared:
            return now
        before = f"coalesce(before.numbers, {text(pieces.no_values)})"
        return f"{now} || {text(pieces.previous_start)} || {before}"

    def joined(alias: str, era: int, on: str) -> str:
        return f"LEFT JOIN written {alias} ON {alias}.era = {era} AND {on.format(alias)}"

    def both(on: str) -> str:
        return " ".join(
            joined(alias, era, on)
            for era, alias in enumerate(("now", "before"))
            if era == 0 or analysis.is_compared
        )

    rows = f"""coalesce((
                SELECT string_agg(p.piece || g.piece || {numbers()} || {text(pieces.row_end)},
                                  {text(pieces.separator)} ORDER BY g.place, p.place)
                  FROM groups g CROSS JOIN periods p
                  {both("{0}.place = g.place AND {0}.period = p.place")}), '')"""  # noqa: S608 - identifiers of ours, values bound
    body = f"{text(pieces.opening)} || {rows}"
    if pieces.grand_total is not None:
        body += f""" || {text(pieces.totals_start)} || (
                SELECT string_agg(p.piece || {numbers()} || {text(pieces.row_end)},
                                  {text(pieces.separator)} ORDER BY p.place)
                  FROM periods p
                  {both("{0}.place IS NULL AND {0}.period = p.place")})
             || {text(pieces.grand_total)} || (
                SELECT {numbers()}
                  FROM (SELECT 1) AS one
                  {both("{0}.place IS NULL AND {0}.period IS NULL")})
             || {text(pieces.totals_end)}"""  # noqa: S608 - identifiers of ours, values bound
    return f"{body} || {text(pieces.closing)}"
