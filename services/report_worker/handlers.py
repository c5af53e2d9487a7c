"""The edge: a message becomes a build or a request, and each becomes one log line.

In: `report.build.v1`. Out: the acknowledgement right after the claim (from then on the lease, not
the queue, remembers the report), then the build, here, in the consumer's own task for this message.
The consumer takes no further message while all its slots are building.

In: `report.request.v1`. Out: the resource of the report that was accepted, to whoever waits for it;
the acknowledgement follows, after the commit.
"""

from __future__ import annotations

import time

import structlog
from prometheus_client import Counter, Gauge, Histogram

from services.report_worker.build_report import ReportBuilder
from services.report_worker.outcome import Ending, Outcome
from services.report_worker.request_report import ReportRequester
from shared.contracts.reports import ReportBuild, ReportRequest
from shared.database.reports import Report
from shared.messaging.delivery import Answer, Delivery
from shared.tracing import joining

SECONDS_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600)

BUILD_SECONDS = Histogram(
    "tallyport_report_build_seconds",
    "From the claim to the end of the build.",
    ("report", "ending"),
    buckets=SECONDS_BUCKETS,
)
ROWS = Counter("tallyport_report_rows_total", "Rows in finished reports.", ("report",))
BYTES = Counter("tallyport_report_bytes_total", "Bytes of finished objects.", ("report",))
ATTEMPTS = Histogram(
    "tallyport_report_attempts",
    "Attempts that a report took until it was built or given up.",
    ("report", "ending"),
    buckets=(1, 2, 3, 4, 5),
)
BUILDING = Gauge("tallyport_reports_building", "Reports being built by this process.")

log = structlog.get_logger(__name__)


HAL = "application/hal+json"
REPLAYED = "Idempotent-Replayed"


class BuildHandler:
    """Handles `report.build.v1`."""

    def __init__(self, builder: ReportBuilder) -> None:
        self._builder = builder

    async def __call__(self, message: ReportBuild, delivery: Delivery) -> None:
        """Build the report, or the one whose turn it is before, or drop the message when there is
        nothing to build. Raises
        `UnavailableError` before the claim only: then the message is tried again."""
        structlog.contextvars.bind_contextvars(
            store_id=message.store_id, report_id=message.report_id
        )
        report = await self._builder.take(
            message.store_id, message.report_id, traceparent=delivery.traceparent
        )
        if report is None:
            log.debug("report.not_claimed")
            return
        structlog.contextvars.bind_contextvars(
            store_id=report.store_id,
            report_id=report.report_id,
            report=report.name,
            attempt=report.attempt,
        )
        began = time.monotonic()
        outcome = Outcome(Ending.RELEASED)
        try:
            # In the trace that it was asked for in, whichever message has brought it here.
            with joining("report.build", report.traceparent), BUILDING.track_inprogress():
                await delivery.acknowledge()
                outcome = await self._builder.build(report)
        finally:
            tell(report, outcome, time.monotonic() - began)


class RequestHandler:
    """Handles `report.request.v1`."""

    def __init__(self, requester: ReportRequester) -> None:
        self._requester = requester

    async def __call__(self, message: ReportRequest, delivery: Delivery) -> Answer:
        """Accept the report. Raises what the use case does: it is answered, or put away."""
        structlog.contextvars.bind_contextvars(store_id=message.store_id)
        # The envelope makes up an id where the sender has written none, another at each delivery.
        is_named = "message_id" in message.model_fields_set or delivery.message_id != str(
            message.message_id
        )
        accepted = await self._requester.request(
            message,
            message_id=delivery.message_id if is_named else None,
            traceparent=delivery.traceparent,
        )
        log.info("report.accepted", report_id=accepted.report_id, replayed=accepted.replayed)
        headers = {REPLAYED: "true"} if accepted.replayed else {}
        return Answer(accepted.body, HAL, headers)


def tell(report: Report, outcome: Outcome, seconds: float) -> None:
    """One line and the metrics."""
    BUILD_SECONDS.labels(report.name, outcome.ending).observe(seconds)
    if outcome.ending in (Ending.BUILT, Ending.FAILED):
        ATTEMPTS.labels(report.name, outcome.ending).observe(report.attempt - report.released)
    facts: dict[str, object] = {"seconds": round(seconds, 3)}
    if outcome.ending is Ending.BUILT:
        ROWS.labels(report.name).inc(outcome.rows)
        BYTES.labels(report.name).inc(outcome.bytes)
        facts |= {"rows": outcome.rows, "bytes": outcome.bytes}
    if outcome.failure is not None:
        facts["code"] = outcome.failure.code
    if outcome.error is not None:
        facts["exc_info"] = outcome.error
    write = log.error if outcome.ending is Ending.FAILED else log.info
    write(f"report.{outcome.ending}", **facts)
