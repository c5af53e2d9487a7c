"""Items: what is in a register, in order.

Comes in: what the handler of `items` shows. Goes out: the call, its pages and its CSV.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from services.gateway.handlers.items import CSV, PAGE_DEFAULT, PAGE_MAX
from services.gateway.openapi import parameters
from services.gateway.openapi.operation import Answer, Content, Operation
from services.gateway.openapi.refusals import JSON, Count

TAG = "items"


class ListedItem(TypedDict):
    """An item. `amount` is text, so that no reader rounds it; `meta` has every label of the
    register, "" where the item has no value."""

    unique_key: str
    description: str
    amount: Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
    units: str
    originated_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    meta: dict[str, str]


class ItemPage(TypedDict):
    """A page of items by `originated_at` and key. `next` is the next page's `after`."""

    items: list[ListedItem]
    limit: Count
    next: str | None


def _moment(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "string", "format": "date-time"},
        "example": "2024-01-15T12:00:00Z",
    }


_LIMIT = {
    "name": "limit",
    "in": "query",
    "description": "How many at most. The CSV has no pages.",
    "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
}
_AFTER = {
    "name": "after",
    "in": "query",
    "description": "The `next` of the page before. The CSV has no pages.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": 2_000},
}
_META = {
    "name": "meta",
    "in": "query",
    "style": "deepObject",
    "explode": True,
    "description": (
        "`meta[label]=value`: only items with this value of the label; without a value, those that "
        "have none. The same label again: one of the values. Several labels: all must hold."
    ),
    "schema": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 1_000}},
    "example": {},
}
_PAGE: dict[str, Any] = {
    "items": [
        {
            "unique_key": "invoice-1-1",
            "description": "Shipping",
            "amount": "12.30",
            "units": "USD",
            "originated_at": "2024-01-15T12:00:00.000000Z",
            "meta": {"income_account": "shipping"},
        }
    ],
    "limit": PAGE_DEFAULT,
    "next": None,
}
_ROWS = (
    "unique_key,description,amount,units,originated_at,income_account\r\n"
    "invoice-1-1,Shipping,12.30,USD,2024-01-15T12:00:00.000000Z,shipping\r\n"
)

OPERATIONS = (
    Operation(
        method="GET",
        path="/registers/{id}/items",
        name="listItems",
        tag=TAG,
        summary="Items of a register, a page at a time, or all of them as CSV.",
        description=(
            "The pages of one walk show what was there at its first page, whatever is recorded "
            "meanwhile. The CSV is streamed from one snapshot; one that does not end as a chunked "
            "body does was cut off."
        ),
        parameters=(
            parameters.path_id("The register's id."),
            _LIMIT,
            _AFTER,
            _moment("start_at", "Items from this instant on."),
            _moment("end_at", "Items up to this instant, which is included."),
            _META,
            *parameters.OF_STORE,
        ),
        answers=(
            Answer(
                200,
                "A page of them, or all.",
                (Content(JSON, ItemPage, {"one": _PAGE}), Content(CSV, bytes, {"rows": _ROWS})),
                ("Cache-Control", "Vary"),
                ("Link", "Content-Disposition"),
            ),
        ),
        refusals=(404, 422),
    ),
)
