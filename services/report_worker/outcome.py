"""How a build can end: the value that the use case returns, and the event of a failure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.report_worker.failures import BuildFailure
from shared.contracts.reports import ReportFailed, ReportName, ReportReady
from shared.database.reports import Report


class Ending(StrEnum):
    """The value is the log's event and the metric's label."""

    BUILT = "built"
    RETRYING = "retrying"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a build came to; `error` is for the log."""

    ending: Ending
    rows: int = 0
    bytes: int = 0
    failure: BuildFailure | None = None
    error: BaseException | None = None


def ready_event(report: Report) -> ReportReady:
    """The event of a report that has just become ready."""
    if report.ready_at is None or report.object_bytes is None:
        raise ValueError("the report is not ready")
    return ReportReady(
        store_id=report.store_id,
        report_id=report.report_id,
        name=ReportName(report.name),
        ready_at=report.ready_at,
        rows=report.rows_written,
        bytes=report.object_bytes,
        traceparent=report.traceparent,
    )


def failed_event(report: Report) -> ReportFailed:
    """The event of a report that will not be built."""
    return ReportFailed(
        store_id=report.store_id,
        report_id=report.report_id,
        name=ReportName(report.name),
        code=report.failure_code or "",
        message=report.failure_message or "",
        attempts=report.attempt - report.released,
        traceparent=report.traceparent,
    )
