"""What a report looks like, asked for and shown.

Comes in: `shared.contracts.reports` and what `shared.reporting.resource` shows. Goes out: types,
and the seed's example as it is here: with our extensions, ready and queued.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from services.gateway.openapi.hal import CURIES, Curies, Link, link
from services.gateway.openapi.refusals import Count
from shared.contracts.reports import ReportArguments, ReportFormat, ReportName

ASKED: dict[str, Any] = {
    "name": "customers",
    "version": "1",
    "datetime_start": "2022-01-01 00:00:00",
    "datetime_end": "2022-01-31 23:59:59",
}
ShownTime = Annotated[
    str,
    Field(
        description="In the store's zone, with the offset it has then.",
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4,6}$",
    ),
]


class NewReport(ReportArguments):
    """What a report is asked for with. Times are the store's own; an offset is ignored."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["name", "datetime_start", "datetime_end"]}
    )


ReportLinks = TypedDict(
    "ReportLinks",
    {
        "curies": Curies,
        "self": Link,
        "fx:user": Link,
        "fx:download_url": NotRequired[Link],
        "fx:events": NotRequired[Link],
    },
)


class Progress(TypedDict):
    """How far it is. `queue_position` only while it waits; 100 percent only when it is ready."""

    stage: str
    rows_written: Count
    rows_estimated: Count | None
    percent: Annotated[int, Field(ge=0, le=100)]
    queue_position: NotRequired[Annotated[int, Field(ge=1)]]


class ReportFailure(TypedDict):
    """Why it will not be built."""

    code: str
    message: str


class ReportedFile(TypedDict):
    """A file of a finished report, or the one to download (`rows` is not said of that)."""

    name: str
    rows: NotRequired[Count]
    bytes: Count
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Report(TypedDict):
    """The resource. `fx:download_url` is there only while there is a file; it works for minutes,
    and every GET makes a new one. `fx:events` is there only while it is queued."""

    _links: ReportLinks
    name: ReportName
    version: Literal["1"]
    datetime_start: ShownTime
    datetime_end: ShownTime
    status: Literal["queued", "error", "ready"]
    date_created: ShownTime
    date_modified: ShownTime
    format: ReportFormat
    attempts: Count
    progress: Progress
    failure: NotRequired[ReportFailure]
    files: NotRequired[list[ReportedFile]]
    download: NotRequired[ReportedFile]
    file_expired: NotRequired[Literal[True]]


class ReportEvent(TypedDict):
    """One event of the stream, each of its fields a line (`event: ready`)."""

    event: Literal["progress", "ready", "failed", "removed"]
    id: Annotated[str, Field(description="Of the state that it tells.", min_length=1)]
    data: Annotated[
        str,
        Field(
            description="The report as it is then, as JSON in one line.",
            json_schema_extra={"contentMediaType": "application/json"},
        ),
    ]


class Methods(TypedDict):
    """Which methods there are, in words."""

    methods: dict[str, str]


_LINKS = {"curies": CURIES, "self": link("/report/1", "This Report")}
_USER = link("/users/1", "This User")
READY = {
    "_links": {
        **_LINKS,
        "fx:download_url": {
            "href": "https://path.to.domain.tld/store_1/complete_report.1647049118670.zip?foo=bar",
            "title": "Download This Report",
        },
        "fx:user": _USER,
    },
    "name": "complete",
    "version": "1",
    "datetime_start": "2022-01-01T00:00:00-0800",
    "datetime_end": "2022-01-31T23:59:59-0800",
    "status": "ready",
    "date_created": "2022-03-11T17:38:02-0800",
    "date_modified": "2022-03-11T17:38:38-0800",
    "format": "csv",
    "attempts": 1,
    "progress": {"stage": "done", "rows_written": 9, "rows_estimated": 9, "percent": 100},
}
QUEUED = {
    **READY,
    "_links": {
        **_LINKS,
        "fx:events": link("/report/1/events", "Progress of This Report"),
        "fx:user": _USER,
    },
    "status": "queued",
    "attempts": 0,
    "progress": {
        "stage": "waiting",
        "rows_written": 0,
        "rows_estimated": 9,
        "percent": 0,
        "queue_position": 3,
    },
}
PROGRESS = {"event": "progress", "id": "8d3b0f4c1a52e796", "data": json.dumps(QUEUED)}
LAST = {"event": "ready", "id": "52e7968d3b0f4c1a", "data": json.dumps(READY)}
METHODS = {"methods": {"GET": "view a report", "HEAD": "get just the header response"}}
