"""The pieces of an analysis's body, in JSON and in CSV.

Comes in: the question, the labels of its periods, the range that it is compared with. Goes out:
`Pieces`, which `analysis_body` puts together; a body is

    opening, row, separator, row, ..., closing     row = period + group + values [+ previous] + end

CSV has the rows only: its reader adds up, and knows what was asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.aggregator.analysis_arguments import Analysis
from services.aggregator.arguments import Scope
from services.aggregator.periods import Periods
from services.aggregator.plans import column_aliases
from services.aggregator.rendering import ALL, csv_sql, csv_text
from services.aggregator.titles import title_of

OTHER = "other"
_WORDS = {
    "count": "Count",
    "sum": "Sum",
    "average": "Average",
    "min": "Minimum",
    "max": "Maximum",
}
_LINE_END = "\r\n"
# What a cell holds in which there is nothing; an empty text stands for "no number".
_NOTHING = {"count": "0", "sum": "0", "average": "0", "min": "", "max": ""}


@dataclass(frozen=True, slots=True)
class Pieces:
    """`group` and `other` are the pieces of the one group there is without columns, and of what is
    gathered; `group_sql` makes the piece of any other. `no_values` stands where there is nothing.
    `grand_total` is None where totals are not written."""

    content_type: str
    opening: str
    periods: list[str]
    group: str
    group_sql: str
    other: str
    values_start: str
    previous_start: str
    no_values: str
    row_end: str
    separator: str
    totals_start: str
    grand_total: str | None
    totals_end: str
    closing: str


def values_sql(representation: str, measures: Sequence[str], number_of: dict[str, str]) -> str:
    """SQL for a cell's values; `number_of` has SQL for each measure, NULL where there is none."""
    if representation == "csv":
        return " || ',' || ".join(f"coalesce(({number_of[m]})::text, '')" for m in measures)
    parts = (f"""'"{m}":' || coalesce(({number_of[m]})::text, 'null')""" for m in measures)
    return "'{' || " + " || ',' || ".join(parts) + " || '}'"


def pieces_of(
    representation: Literal["json", "csv"],
    analysis: Analysis,
    periods: Periods | None,
    compared: Scope | None,
) -> Pieces:
    """The pieces of the body that answers this question."""
    labels = periods.labels if periods else (ALL,)
    if representation == "csv":
        return _csv(analysis, labels)
    return _json(analysis, labels, compared)


def _json(analysis: Analysis, labels: Sequence[str], compared: Scope | None) -> Pieces:
    grouping = analysis.grouping
    words = ", ".join(_WORDS[measure] for measure in analysis.measures)
    title = _text(title_of(words, grouping.period, grouping.labels))
    aliases = column_aliases(grouping.columns)
    texts = " || ',' || ".join(f"to_json({alias})::text" for alias in aliases)
    group = f"'[' || {texts} || ']'" if len(aliases) > 1 else texts
    gathered: object = OTHER if len(aliases) < 2 else [OTHER] * len(aliases)
    nothing = (f'"{measure}":{_NOTHING[measure] or "null"}' for measure in analysis.measures)
    with_ = "" if compared is None else f',"compared_with":{_bounds(compared)}'
    return Pieces(
        content_type="application/json",
        opening=f'{{"title":{title},"measures":{_text(analysis.measures)},"rows":[',
        periods=[f'{{"period":"{label}",' for label in labels],
        group=f'"group":"{ALL}",',
        group_sql=f"""'"group":' || {group} || ','""",
        other=f'"group":{_text(gathered)},"other":true,',
        values_start='"values":',
        previous_start=',"previous":',
        no_values=f"{{{','.join(nothing)}}}",
        row_end="}",
        separator=",",
        totals_start='],"totals":{"periods":[',
        grand_total='],"all":{' if analysis.has_totals else None,
        totals_end="}}",
        closing=f"{'' if analysis.has_totals else ']'}{with_}}}",
    )


def _csv(analysis: Analysis, labels: Sequence[str]) -> Pieces:
    """RFC 4180 with a header: `period`, a column for each label (or `group`), `other` with a limit,
    a column for each measure, and `previous_...` ones with a comparison."""
    grouping = analysis.grouping
    flag = ["other"] if analysis.limit is not None else []
    before = [f"previous_{m}" for m in analysis.measures] if analysis.is_compared else []
    names = ["period", *(grouping.labels or ("group",)), *flag, *analysis.measures, *before]
    aliases = column_aliases(grouping.columns)
    no, yes = ("false,", "true,") if flag else ("", "")
    cells = " || ".join(f"{csv_sql(alias)} || ','" for alias in aliases)
    return Pieces(
        content_type="text/csv; charset=utf-8; header=present",
        opening=",".join(csv_text(name) for name in names) + _LINE_END,
        periods=[f"{label}," for label in labels],
        group=f"{ALL},{no}",
        group_sql=f"{cells} || '{no}'",
        other=f"{OTHER}," * max(1, len(aliases)) + yes,
        values_start="",
        previous_start=",",
        no_values=",".join(_NOTHING[measure] for measure in analysis.measures),
        row_end=_LINE_END,
        separator="",
        totals_start="",
        grand_total=None,
        totals_end="",
        closing="",
    )


def _bounds(scope: Scope) -> str:
    """Inclusive, with the offset that the zone has then."""
    bounds = (("start_at", scope.start_at), ("end_at", scope.end_at))
    return _text({name: at.astimezone(scope.zone).isoformat() for name, at in bounds})


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
