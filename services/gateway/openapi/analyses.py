"""The richer question: several measures, conditions, an order, a limit, totals, a comparison.

Comes in: `shared.contracts.analyses`. Goes out: the call. All that is wrong is told at once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from services.gateway.openapi import parameters
from services.gateway.openapi.operation import Answer, Content, Operation
from services.gateway.openapi.refusals import JSON, Count
from shared.contracts.analyses import AnalysisArguments, MeasureName

TAG = "analyses"
_HEADERS = ("ETag", "Server-Timing", "Cache-Control", "Vary")
_Exact = Annotated[float, Field(description="Exact: read it as a decimal.")]


class Analysis(AnalysisArguments):
    """`filter` is a condition on a label (`eq`, `not`, `in`, `exists`), or `and`, `or` over a list
    of filters, at most 8 deep and 100 conditions in all. A missing value is `""`."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["start_at", "end_at", "register_id", "measures"]}
    )


class Measured(TypedDict):
    """The measures asked for. Of nothing, count, sum and average are 0, and there is neither a
    least nor a greatest."""

    count: NotRequired[Count]
    sum: NotRequired[_Exact]
    average: NotRequired[_Exact]
    min: NotRequired[_Exact | None]
    max: NotRequired[_Exact | None]


class AnalysisTotal(TypedDict):
    """Of all groups. `previous` is there with a comparison."""

    values: Measured
    previous: NotRequired[Measured]


class AnalysisPeriod(AnalysisTotal):
    """Of all groups, in a period."""

    period: str


class AnalysisRow(AnalysisPeriod):
    """Of a group, in a period. `other` marks what is behind the limit, gathered."""

    group: str | list[str]
    other: NotRequired[Literal[True]]


class AnalysisTotals(TypedDict):
    """By period, and for all of the range."""

    periods: list[AnalysisPeriod]
    all: AnalysisTotal


class Range(TypedDict):
    """Inclusive bounds, with the offset of the zone."""

    start_at: str
    end_at: str


class Analysed(TypedDict):
    """What was asked, in words, and the rows: the groups in order, in each the periods."""

    title: str
    measures: list[MeasureName]
    rows: list[AnalysisRow]
    totals: NotRequired[AnalysisTotals]
    compared_with: NotRequired[Range]


_PLAIN: dict[str, Any] = {
    "register_id": 1,
    "start_at": "2024-01-01T00:00:00Z",
    "end_at": "2024-01-31T23:59:59Z",
    "measures": ["count", "average"],
}
_TOP: dict[str, Any] = {
    **_PLAIN,
    "timezone": "America/Detroit",
    "group_by_period": "month",
    "group_by": ["income_account"],
    "measures": ["count", "sum"],
    "filter": {
        "and": [
            {"label": "warehouse", "in": ["ann_arbor", "detroit"]},
            {"or": [{"label": "channel", "not": "b2b"}, {"label": "channel", "exists": False}]},
        ]
    },
    "order": {"measure": "sum", "direction": "desc"},
    "limit": 1,
    "totals": True,
    "compare": "previous_period",
}
_ALL = {"values": {"count": 5, "sum": 36.5}, "previous": {"count": 1, "sum": 0.1}}
_JANUARY = {"period": "Jan 2024"}
_ANSWERED: dict[str, Any] = {
    "title": "Count, Sum by Month and Income Account",
    "measures": ["count", "sum"],
    "rows": [
        {
            **_JANUARY,
            "group": "wholesale",
            "values": {"count": 2, "sum": 30.5},
            "previous": {"count": 0, "sum": 0},
        },
        {
            **_JANUARY,
            "group": "other",
            "other": True,
            "values": {"count": 3, "sum": 6},
            "previous": {"count": 1, "sum": 0.1},
        },
    ],
    "totals": {"periods": [{**_JANUARY, **_ALL}], "all": _ALL},
    "compared_with": {
        "start_at": "2023-12-01T00:00:00-05:00",
        "end_at": "2023-12-31T23:59:59-05:00",
    },
}
_CSV = "period,group,count,average\r\nAll,All,80,11.2\r\n"

OPERATIONS = (
    Operation(
        method="POST",
        path="/reports/query",
        name="queryItems",
        tag=TAG,
        summary="Several measures at once, filtered, ordered, limited, compared.",
        parameters=(*parameters.OF_STORE, parameters.IF_NONE_MATCH),
        body=(Content(JSON, Analysis, {"plain": _PLAIN, "top": _TOP}),),
        answers=(
            Answer(
                200,
                "The numbers. `Accept: text/csv` gives the rows as CSV.",
                (
                    Content(JSON, Analysed, {"top": _ANSWERED}),
                    Content("text/csv", bytes, {"plain": _CSV}),
                ),
                (*_HEADERS, "Tallyport-Plan"),
            ),
            Answer(304, "Still the same as `If-None-Match` names.", headers=_HEADERS),
        ),
        refusals=(400, 408, 413, 422, 504),
    ),
)
