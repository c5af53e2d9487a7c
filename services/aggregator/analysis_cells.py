"""The numbers of one range by period and group, filtered: what an analysis is made of.

Comes in: the question, a range's plan and what it totals. Goes out: SQL whose rows are

    era integer, period integer, c0 text, ..., items bigint, amount, low, high numeric

where `era` tells the range. From rollups the filter is applied to their keys, and what is left is
added up over the columns that nothing is grouped by.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.aggregator.analysis_arguments import Analysis
from services.aggregator.conditions import condition_sql
from services.aggregator.plans import RAW, Bindings, Plan, Totals, column_aliases, period_of


@dataclass(frozen=True, slots=True)
class Source:
    """One range: `totals` is by the columns grouped by, then by those of the filter only."""

    plan: Plan
    totals: Totals


def cells_sql(analysis: Analysis, source: Source, era: int, bindings: Bindings) -> str:
    """Numbers by period and group. With the sign turned, the least is the greatest."""
    sign = "-" if analysis.grouping.invert_sign else ""
    low, high = ("high", "low") if sign else ("low", "high")
    rows = _raw if source.plan is RAW else _held
    keys = "".join(f"{alias}, " for alias in column_aliases(analysis.grouping.columns))
    return f"""
        SELECT {era} AS era, period, {keys}items, {sign}amount AS amount,
               {sign}{low} AS low, {sign}{high} AS high
          FROM ({rows(analysis, source, bindings)}) AS held{era}"""  # noqa: S608 - identifiers of ours, values bound


def _raw(analysis: Analysis, source: Source, bindings: Bindings) -> str:
    scope, columns = source.totals.scope, analysis.grouping.columns
    period = period_of("originated_at", source.totals.periods, bindings)
    named = zip(columns, column_aliases(columns), strict=True)
    keys = "".join(f"coalesce({column}, '') AS {alias}, " for column, alias in named)
    expression_of = {label: f"coalesce({c}, '')" for label, c in analysis.column_of.items()}
    has_amounts = {*analysis.measures} & {"sum", "average"}
    has_extremes = source.totals.has_extremes
    numbers = ", ".join(str(number) for number in range(1, len(columns) + 2))
    return f"""
        SELECT {period} AS period, {keys}count(*) AS items,
               {"sum(amount)" if has_amounts else "NULL::numeric"} AS amount,
               {"min(amount)" if has_extremes else "NULL::numeric"} AS low,
               {"max(amount)" if has_extremes else "NULL::numeric"} AS high
          FROM register_items
         WHERE store_id = {bindings.bind(scope.store_id, "bigint")}
           AND register_id = {bindings.bind(scope.register_id, "bigint")}
           AND originated_at BETWEEN {bindings.bind(scope.start_at, "timestamptz")}
                                 AND {bindings.bind(scope.end_at, "timestamptz")}
           AND {condition_sql(analysis.filter, expression_of, bindings)}
         GROUP BY {numbers}"""  # noqa: S608 - columns are whitelisted, values bound


def _held(analysis: Analysis, source: Source, bindings: Bindings) -> str:
    """From a plan by all the columns: filtered, and those not grouped by added up."""
    all_columns = source.totals.columns
    alias_of = dict(zip(all_columns, column_aliases(all_columns), strict=True))
    expression_of = {
        label: alias_of[column]
        for label, column in analysis.column_of.items()
        if column in alias_of
    }
    keys = "".join(f"{alias}, " for alias in column_aliases(analysis.grouping.columns))
    numbers = ", ".join(str(number) for number in range(1, len(analysis.grouping.columns) + 2))
    low, high = "NULL::numeric", "NULL::numeric"
    if source.totals.has_extremes:
        low, high = "min(low)", "max(high)"
    return f"""
        SELECT period, {keys}sum(items)::bigint AS items, sum(amount) AS amount,
               {low} AS low, {high} AS high
          FROM ({source.plan.totals(source.totals, bindings)}) AS totals
         WHERE {condition_sql(analysis.filter, expression_of, bindings)}
         GROUP BY {numbers}"""  # noqa: S608 - columns are whitelisted, values bound
