"""The pieces of a body, in JSON and in CSV.

Comes in: the question, the labels of its periods. Goes out: `Rendering`. A body is

    opening, row, separator, row, ..., closing          row = period + group + value + row_end

where PostgreSQL puts the pieces together, so each is written once and escaped once: the periods'
here (plain ASCII of ours), the groups' by `group_sql`, the values as exact decimals.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.aggregator.arguments import Grouping, Measure
from services.aggregator.periods import Periods
from services.aggregator.plans import column_aliases
from services.aggregator.titles import title_of

ALL = "All"
# A cell that begins so is a formula to a spreadsheet (docs/http.md, What is in them).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\0")
_LINE_END = "\r\n"


@dataclass(frozen=True, slots=True)
class Rendering:
    """`group` is the piece of the one group there is without columns; with columns each group's
    piece is made by the SQL expression `group_sql`."""

    content_type: str
    opening: str
    periods: list[str]
    group: str
    group_sql: str
    row_end: str
    separator: str
    closing: str


def render(
    representation: Literal["json", "csv"],
    measure: Measure,
    grouping: Grouping,
    periods: Periods | None,
) -> Rendering:
    """The pieces of the body that answers this question."""
    labels = periods.labels if periods else (ALL,)
    aliases = column_aliases(grouping.columns)
    if representation == "csv":
        return _csv(grouping, labels, aliases)
    return _json(measure, grouping, labels, aliases)


def _json(
    measure: Measure, grouping: Grouping, period_labels: Sequence[str], aliases: Sequence[str]
) -> Rendering:
    """`{"title": ..., "count": [{"period": ..., "group": ..., "value": ...}, ...]}`, no blanks.
    `aliases` are the SQL names of the columns, in the order of the labels."""
    title = title_of(measure.word, grouping.period, grouping.labels)
    texts = " || ',' || ".join(f"to_json({alias})::text" for alias in aliases)
    group = f"'[' || {texts} || ']'" if len(aliases) > 1 else texts
    return Rendering(
        content_type="application/json",
        opening=f'{{"title":{json.dumps(title, ensure_ascii=False)},"count":[',
        periods=[f'{{"period":"{label}",' for label in period_labels],
        group=f'"group":"{ALL}","value":',
        group_sql=f"""'"group":' || {group} || ',"value":'""",
        row_end="}",
        separator=",",
        closing="]}",
    )


def _csv(grouping: Grouping, period_labels: Sequence[str], aliases: Sequence[str]) -> Rendering:
    """RFC 4180 with a header row `period,<a column for each label>,value`; without columns the one
    in the middle is `group`."""
    names = ("period", *(grouping.labels or ("group",)), "value")
    return Rendering(
        content_type="text/csv; charset=utf-8; header=present",
        opening=",".join(csv_text(name) for name in names) + _LINE_END,
        periods=[f"{label}," for label in period_labels],
        group=f"{ALL},",
        group_sql=" || ".join(f"{csv_sql(alias)} || ','" for alias in aliases),
        row_end=_LINE_END,
        separator="",
        closing="",
    )


def csv_text(text: str) -> str:
    """A cell: guarded against formulas, in quotes where it has to be."""
    if text.startswith(_FORMULA_STARTS):
        text = f"'{text}"
    if any(character in text for character in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return text


def csv_sql(column: str) -> str:
    """The same as `csv_text`, on the other side; `export_text` is the guard of all exports."""
    text = f"export_text({column})"
    return (
        rf"""CASE WHEN {column} ~ '[,"\r\n]' THEN '"' || replace({text}, '"', '""') || '"' """
        f"ELSE {text} END"
    )
