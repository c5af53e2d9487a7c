"""The collection of reports, as OpenAPI shows it.

Comes in: the limits that the handler keeps, the resource. Goes out: the query's parameters and the
schema of a page.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.handlers.report_collection import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    OFFSET_MAX,
)
from services.gateway.openapi.report_resource import Report
from shared.contracts.reports import ReportName

_MOMENT = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d:\d\d)?"


def _query(name: str, what: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": what, "schema": schema}


COLLECTION_PARAMETERS = (
    _query(
        "limit",
        "Reports on a page.",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
    ),
    _query(
        "offset",
        "Reports before the page.",
        {"type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0},
    ),
    _query(
        "order",
        "Oldest first, or newest first.",
        {"type": "string", "enum": ["date_created", "date_created asc", "date_created desc"]},
    ),
    _query("status", "Only these.", {"type": "string", "enum": ["queued", "error", "ready"]}),
    _query("name", "Only these.", {"type": "string", "enum": [name.value for name in ReportName]}),
    _query(
        "date_created",
        "Asked for from a to b, both included, in the store's own time: `a..b`, `a..`, `..b`. A "
        "day alone means all of it.",
        {
            "type": "string",
            "pattern": rf"^({_MOMENT})?\.\.({_MOMENT})?$",
            "examples": ["2022-01-01..2022-01-31"],
        },
    ),
)


class _Embedded(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    reports: list[Report] = Field(alias="fx:reports")


class ReportPage(BaseModel):
    """Links to the other pages, and the reports of this one."""

    model_config = ConfigDict(populate_by_name=True)

    links: dict[str, Any] = Field(alias="_links")
    embedded: _Embedded = Field(alias="_embedded")
    total_items: int = Field(ge=0)
    returned_items: int = Field(ge=0)
    limit: int = Field(ge=1, le=LIMIT_MAX)
    offset: int = Field(ge=0)
