"""What a register can be grouped by: its labels and their values.

Comes in: `shared.contracts.dimensions`. Goes out: the calls.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from services.gateway.openapi import parameters
from services.gateway.openapi.operation import Answer, Content, Operation
from services.gateway.openapi.refusals import JSON, Count
from shared.contracts.dimensions import PAGE_DEFAULT, PAGE_MAX

TAG = "dimensions"
_HEADERS = ("ETag", "Server-Timing", "Cache-Control", "Vary")
_Column = Annotated[str, Field(pattern="^meta[0-9]$")]


class Dimension(TypedDict):
    """A label: how many values, on how many items, from when to when. Where `is_exact` is false it
    is about the newest items: there are at least so many."""

    label: str
    column: _Column
    values: Count
    items: Count
    first_originated_at: str | None
    last_originated_at: str | None
    is_exact: bool


class Dimensions(TypedDict):
    """In the order of the columns."""

    dimensions: list[Dimension]


class DimensionValue(TypedDict):
    """A value, and how many items have it."""

    value: str
    items: Annotated[int, Field(ge=1)]


class DimensionValues(TypedDict):
    """Values by code point; `next_after` is the `after` of the next page, if there is one."""

    label: str
    column: _Column
    values: list[DimensionValue]
    is_exact: bool
    next_after: str | None


def _text(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "string", "maxLength": 1_000, "pattern": r"^[^\u0000]*$"},
    }


_LABEL = {
    "name": "label",
    "in": "path",
    "required": True,
    "description": "One of the register's labels.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 1_000, "pattern": r"^[^\u0000/]+$"},
    "example": "income_account",
}
_LIMIT = {
    "name": "limit",
    "in": "query",
    "description": "How many at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
}
_GIVEN = (
    parameters.path_id("The register's id."),
    *parameters.OF_STORE,
    parameters.IF_NONE_MATCH,
)
_FOUND: dict[str, Any] = {
    "dimensions": [
        {
            "label": "income_account",
            "column": "meta0",
            "values": 3,
            "items": 8,
            "first_originated_at": "2023-12-31T23:59:59+00:00",
            "last_originated_at": "2024-02-29T23:59:59+00:00",
            "is_exact": True,
        }
    ]
}
_VALUES: dict[str, Any] = {
    "label": "income_account",
    "column": "meta0",
    "values": [{"value": "b2b shipping", "items": 3}],
    "is_exact": True,
    "next_after": "b2b shipping",
}


def _answers(what: str, content: Content) -> tuple[Answer, ...]:
    return (
        Answer(200, what, (content,), (*_HEADERS, "Tallyport-Plan")),
        Answer(304, "Still the same as `If-None-Match` names.", headers=_HEADERS),
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/registers/{id}/dimensions",
        name="listDimensions",
        tag=TAG,
        summary="What a register can be grouped by.",
        parameters=_GIVEN,
        answers=_answers("Its labels.", Content(JSON, Dimensions, {"one": _FOUND})),
        refusals=(404, 422, 504),
    ),
    Operation(
        method="GET",
        path="/registers/{id}/dimensions/{label}",
        name="listValues",
        tag=TAG,
        summary="The values that there are of a label.",
        parameters=(
            *_GIVEN,
            _LABEL,
            _text("prefix", "Values that begin so."),
            _text("after", "Values behind this one."),
            _LIMIT,
        ),
        answers=_answers("A page of them.", Content(JSON, DimensionValues, {"one": _VALUES})),
        refusals=(404, 422, 504),
    ),
)
