"""Counts, sums and averages of a register's items, grouped by period and by columns.

Comes in: `shared.contracts.aggregations`. Goes out: one call for each measure, with the seed's
examples. Arguments are checked in a fixed order, and the first that fails is the answer.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from services.gateway.openapi import parameters
from services.gateway.openapi.operation import Answer, Content, Operation
from services.gateway.openapi.refusals import JSON
from shared.contracts.aggregations import AggregateArguments

TAG = "numbers"
_HEADERS = ("ETag", "Server-Timing", "Cache-Control", "Vary")


class Question(AggregateArguments):
    """Bounds are inclusive instants (ISO 8601 with `T`; UTC when no offset is given). `null` equals
    absent; periods are taken in any case; `group_by` names labels of the register's `meta`."""

    model_config = ConfigDict(json_schema_extra={"required": ["start_at", "end_at", "register_id"]})


class Row(TypedDict):
    """A number. `group` is `All`, the value of the one column, or the list of their values."""

    period: str
    group: str | list[str]
    value: Annotated[float, Field(description="Exact: read it as a decimal.")]


class Numbers(TypedDict):
    """What was asked, in words, and the rows: `count` for sums and averages too."""

    title: str
    count: list[Row]


_ASKED: dict[str, Any] = {
    "start_at": "2024-01-01T00:00:00Z",
    "end_at": "2024-01-31T23:59:59Z",
    "register_id": 1,
    "group_by_period": "month",
    "timezone": "America/Detroit",
    "group_by": ["some_meta_column"],
}
_PLAIN: dict[str, Any] = {
    "start_at": "2023-01-01T00:00:00-05:00",
    "end_at": "2023-02-28T23:59:59-05:00",
    "register_id": 1,
}


def _row(period: str, group: str | list[str], value: float) -> dict[str, Any]:
    return {"period": period, "group": group, "value": value}


_COUNTED = {
    "title": "Count by Month",
    "count": [_row("Jan 2024", "All", 50), _row("Feb 2024", "All", 30)],
}
_COUNTED_BY_TWO = {
    "title": "Count by Month and Income Account, Warehouse",
    "count": [_row("Jan 2024", ["b2b shipping", "ann_arbor"], 10)],
}
_SUMMED = {"title": "Sum", "count": [_row("All", "All", 9151.15)]}
_SUMMED_BY_ONE = {
    "title": "Sum by Income Account",
    "count": [_row("All", "b2b shipping", 2880.75), _row("All", "wholesale", 6270.4)],
}
_AVERAGED = {
    "title": "Average by Month and Income Account",
    "count": [_row("Jan 2024", "b2b shipping", 12.3), _row("Feb 2024", "b2b shipping", 10.1)],
}


def _measure(measure: str, name: str, summary: str, csv: str, **examples: Any) -> Operation:
    return Operation(
        method="POST",
        path=f"/reports/{measure}",
        route="/reports/{measure}",
        name=name,
        tag=TAG,
        summary=summary,
        parameters=(*parameters.OF_STORE, parameters.IF_NONE_MATCH),
        body=(Content(JSON, Question, {"plain": _PLAIN, "grouped": _ASKED}),),
        answers=(
            Answer(
                200,
                "The numbers. `Accept: text/csv` gives the rows as CSV.",
                (Content(JSON, Numbers, examples), Content("text/csv", bytes, {"plain": csv})),
                (*_HEADERS, "Tallyport-Plan"),
            ),
            Answer(304, "Still the same as `If-None-Match` names.", headers=_HEADERS),
        ),
        refusals=(400, 408, 413, 422, 504),
    )


OPERATIONS = (
    _measure(
        "item_count",
        "countItems",
        "How many items.",
        "period,group,value\r\nAll,All,80\r\n",
        by_month=_COUNTED,
        by_month_and_columns=_COUNTED_BY_TWO,
    ),
    _measure(
        "item_sum",
        "sumItems",
        "The sum of their amounts.",
        "period,group,value\r\nAll,All,9151.15\r\n",
        plain=_SUMMED,
        by_column=_SUMMED_BY_ONE,
    ),
    _measure(
        "item_average",
        "averageItems",
        "The average of their amounts.",
        "period,group,value\r\nAll,All,11.2\r\n",
        by_month_and_column=_AVERAGED,
    ),
)
