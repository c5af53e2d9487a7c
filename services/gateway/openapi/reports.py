"""Asynchronous reports: ask for one, look at it until it is ready, fetch its file, remove it.

Comes in: `report_resource`. Goes out: the calls, in `application/hal+json`.
"""

from __future__ import annotations

from typing import Any

from services.gateway.bodies import FORM
from services.gateway.event_stream import MEDIA_TYPE
from services.gateway.openapi import parameters
from services.gateway.openapi.operation import Answer, Content, Operation
from services.gateway.openapi.refusals import JSON
from services.gateway.openapi.report_collection import COLLECTION_PARAMETERS, ReportPage
from services.gateway.openapi.report_resource import (
    ASKED,
    LAST,
    METHODS,
    PROGRESS,
    QUEUED,
    READY,
    Methods,
    NewReport,
    Report,
    ReportEvent,
)
from services.gateway.problems import HAL

TAG = "reports"


def _options(
    path: str,
    name: str,
    *more: dict[str, Any],
    refusals: tuple[int, ...] = (),
    also: tuple[str, ...] = (),
) -> Operation:
    return Operation(
        method="OPTIONS",
        path=path,
        name=name,
        tag=TAG,
        summary="Which methods there are, in words.",
        parameters=(*more, parameters.REQUEST_ID),
        answers=(
            Answer(200, "The methods.", (Content(HAL, Methods, {"methods": METHODS}),), ("Allow",)),
        ),
        family="reports",
        refusals=refusals,
        also=also,
    )


def _one(path: str, suffix: str) -> tuple[Operation, ...]:
    """The calls on one report. The seed writes its self link `/report/{id}`; both work."""
    report_id = parameters.path_id("The report's id.")
    given = (report_id, *parameters.OF_STORE)
    # Behind /reports/ what is no number is the name of a measure, which is asked with POST.
    also = ("numbers405",) if path.startswith("/reports/") else ()
    return (
        Operation(
            method="GET",
            path=path,
            name=f"findReport{suffix}",
            tag=TAG,
            summary="A report, with a fresh link once it is ready.",
            parameters=given,
            answers=(
                Answer(
                    200,
                    "The report.",
                    (Content(HAL, Report, {"ready": READY, "queued": QUEUED}),),
                    ("Cache-Control",),
                ),
            ),
            family="reports",
            refusals=(404, 422),
            also=also,
        ),
        Operation(
            method="DELETE",
            path=path,
            name=f"removeReport{suffix}",
            tag=TAG,
            summary="Remove the report and its file, or cancel it while it is being built.",
            parameters=given,
            answers=(Answer(204, "It is gone."),),
            family="reports",
            refusals=(404, 422),
            also=also,
        ),
        _options(path, f"explainReport{suffix}", report_id, refusals=(404,), also=also),
        Operation(
            method="GET",
            path=f"{path}/events",
            name=f"followReport{suffix}",
            tag=TAG,
            summary="What becomes of a report, told as it happens.",
            description=(
                "Server-sent events: `progress`, then one of `ready`, `failed`, `removed`, with "
                "which it ends. Each has the report as it is then, and an id for that state."
            ),
            parameters=(*given, parameters.LAST_EVENT_ID),
            answers=(
                Answer(
                    200,
                    "The events, each of this shape, and comments while there is none.",
                    (Content(MEDIA_TYPE, ReportEvent, {"progress": PROGRESS, "last": LAST}),),
                    ("Cache-Control", "X-Accel-Buffering"),
                ),
                Answer(204, "Nothing comes after the event that `Last-Event-ID` names."),
            ),
            family="reports",
            refusals=(404, 422),
        ),
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/reports",
        name="createReport",
        tag=TAG,
        summary="Ask for a report.",
        description="From the answer on it cannot be lost. Look at `Location` until it is ready.",
        parameters=(*parameters.OF_STORE, parameters.IDEMPOTENCY_KEY),
        body=tuple(
            Content(
                media_type,
                NewReport,
                {"customers": ASKED, "complete": {**ASKED, "name": "complete"}},
            )
            for media_type in (JSON, HAL, FORM)
        ),
        answers=(
            Answer(
                201,
                "The report, queued.",
                (Content(HAL, Report, {"queued": QUEUED}),),
                ("Location",),
                ("Idempotent-Replayed",),
            ),
        ),
        family="reports",
        refusals=(400, 408, 409, 413, 415, 422),
    ),
    Operation(
        method="GET",
        path="/reports",
        name="listReports",
        tag=TAG,
        summary="The store's reports, a page at a time, each with a fresh link once it is ready.",
        parameters=(*parameters.OF_STORE, *COLLECTION_PARAMETERS),
        answers=(Answer(200, "A page.", (Content(HAL, ReportPage, {}),), ("Cache-Control",)),),
        family="reports",
        refusals=(422,),
    ),
    _options("/reports", "explainReports"),
    *_one("/reports/{id}", ""),
    *_one("/report/{id}", "BySelfLink"),
)
