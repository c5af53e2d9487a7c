"""The one statement that answers an analysis. Pure: no database, no clock.

Comes in: for each range (the one asked for, and the one it is compared with) its plan and what that
totals; the pieces of the body; the limits. Goes out: SQL and the values bound in it.

    cells    each range's numbers by period and group, filtered
    ranked   the groups in their order; those behind the limit share the place behind it
    written  the numbers of each place and period, and over all places, as they are shown
    groups   the pieces of the groups that are shown

Each row of the statement has the register's state, how many cells and groups there are, and whether
they are within the body's limit (`fits`). If all is within its limit there is a row for each group,
in order, and one without a piece for the totals: the numbers of the periods, and the values as they
are shown, of the range asked for (`..._0`) and of the one it is compared with (`..._1`).
`analysis_body` puts them together.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.aggregator.analysis_arguments import Analysis
from services.aggregator.analysis_cells import Source, cells_sql
from services.aggregator.analysis_rendering import Pieces, values_sql
from services.aggregator.plans import Bindings, column_aliases, listed
from services.aggregator.registers import Place, Seen, state_sql
from shared.contracts.recording import META_COLUMNS

# With a limit, this many cells may be looked at for each row that may be shown.
CELLS_PER_ROW = 10
# Averages of different groups that differ at all differ before this digit: amounts have at most 38
# decimals, and numbers of items at most 11 digits.
_RANK_DECIMALS = 64


@dataclass(frozen=True, slots=True)
class Statement:
    """`is_planned_once`: `reading`."""

    sql: str
    values: tuple[object, ...]
    cells_max: int
    groups_max: int
    is_planned_once: bool


def build_analysis(
    known: Seen,
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
    scope = analysis.scope
    state = state_sql(
        Place(scope.store_id, scope.register_id),
        known,
        min(source.plan.version_max for source in sources),
        bindings,
    )
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
    WITH state AS MATERIALIZED ({state}
    ), cells AS MATERIALIZED (
        SELECT * FROM ({cells}) AS counted WHERE (SELECT is_same FROM state)
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
                   + (SELECT coalesce(sum(octet_length(numbers)), 0) FROM written)
                   <= {bindings.bind(body_bytes_max, "bigint")} AS fits
    ), listed AS MATERIALIZED (
        SELECT place, {_listed(0)}, {_listed(1)} FROM written GROUP BY place
    ), rows AS (
        SELECT g.place, g.piece, l.periods_0, l.numbers_0, l.periods_1, l.numbers_1
          FROM groups g LEFT JOIN listed l ON l.place = g.place
         UNION ALL
        SELECT NULL, NULL, periods_0, numbers_0, periods_1, numbers_1
          FROM listed WHERE place IS NULL
    ), given AS (
        SELECT size.cells, size.groups, size.fits, rows.*
          FROM size LEFT JOIN rows
            ON size.fits AND size.cells <= {bindings.bind(cells_max, "bigint")}
           AND size.groups <= {bindings.bind(groups_max, "bigint")}
    )
    SELECT state.version, state.is_same, state.definition, given.*
      FROM state LEFT JOIN given ON state.is_same
     ORDER BY given.place NULLS LAST"""  # noqa: S608 - columns are whitelisted, values bound
    is_planned_once = all(source.plan.is_narrow for source in sources)
    return Statement(sql, tuple(bindings.values), cells_max, groups_max, is_planned_once)


def _listed(era: int) -> str:
    """The numbers of the periods of a range, and what is written for them. A period of 0 is the
    whole range."""
    those = f"FILTER (WHERE era = {era})"
    return (
        f"{listed('coalesce(period, 0)::text')} {those} AS periods_{era}, "
        f"{listed('numbers')} {those} AS numbers_{era}"
    )


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
