"""Asynchronous reports: the request, the pointer to a build, and the events of its end."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, WithJsonSchema

from shared.contracts.message import Contract, Id, Key, Message


class ReportName(StrEnum):
    COMPLETE = "complete"
    CUSTOMERS = "customers"
    CUSTOMERS_LTV = "customers_ltv"


class ReportFormat(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    JSONL = "jsonl"
    PARQUET = "parquet"


class ReportArguments(Contract):
    """What a caller asks for. Values are checked by `shared.reporting`, all of them at once,
    because the answer lists everything that is wrong (docs/http.md, vnd.error)."""

    name: Annotated[Any, WithJsonSchema({"type": "string", "enum": list(ReportName)})] = None
    version: Annotated[
        Any, WithJsonSchema({"type": ["string", "integer", "null"], "maxLength": 50})
    ] = None
    datetime_start: Annotated[
        Any, WithJsonSchema({"type": "string", "examples": ["2022-01-01 00:00:00"]})
    ] = None
    datetime_end: Annotated[
        Any, WithJsonSchema({"type": "string", "examples": ["2022-01-31 23:59:59"]})
    ] = None
    format: Annotated[
        Any, WithJsonSchema({"type": ["string", "null"], "enum": [*ReportFormat, None]})
    ] = None
    compress: Annotated[Any, WithJsonSchema({"type": ["boolean", "null"]})] = None


class ReportRequest(Message):
    """Ask for a report over the queue. The reply, if asked for, is the report's resource."""

    kind: Literal["report.request.v1"] = "report.request.v1"
    store_id: Id
    user_id: Id
    arguments: ReportArguments
    idempotency_key: Key | None = None


class ReportBuild(Message):
    """Build this report now. Only a pointer: the row in `reports` says what and whether."""

    kind: Literal["report.build.v1"] = "report.build.v1"
    store_id: Id
    report_id: Id


class ReportReady(Message):
    """The report's files are in the object store and can be downloaded."""

    kind: Literal["report.ready.v1"] = "report.ready.v1"
    store_id: Id
    report_id: Id
    name: ReportName
    ready_at: AwareDatetime
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)


class ReportFailed(Message):
    """The report will not be built. `code` and `message` say why."""

    kind: Literal["report.failed.v1"] = "report.failed.v1"
    store_id: Id
    report_id: Id
    name: ReportName
    code: str
    message: str
    attempts: int = Field(ge=0)
