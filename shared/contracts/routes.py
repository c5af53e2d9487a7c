"""Which message travels where: every exchange and queue name is written here, once.

Comes in: the message classes. Goes out: `ROUTES`, one `Route` per command kind with its queue,
its limits and the service that owns it, and `EVENTS`. The topology, the publisher, the consumer,
the AsyncAPI document and the golden tests all read these values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.contracts import (
    aggregations,
    analyses,
    dimensions,
    failures,
    record_columns,
    recording,
    reports,
    rollups,
)
from shared.contracts.message import Message

COMMANDS = "tallyport.commands"
# Apart from the commands, so that who may publish those cannot order a build: a work order is only
# ever what the outbox of a transaction promised.
BUILDS = "tallyport.builds"
# Apart from the commands, so that who may wish for a rollup may not write to a ledger.
WISHES = "tallyport.wishes"
EVENTS_EXCHANGE = "tallyport.events"
# To everybody who answers questions: their asker has hung up.
CANCELLATIONS = "tallyport.cancellations"
# Answers. Gateways bind their reply queues to it; an answer for any other queue goes through
# `OTHER_REPLIES` (exchange and queue of this name) to a gateway, which hands it on.
REPLIES = "tallyport.replies"
OTHER_REPLIES = "tallyport.replies.other"
OURS_PREFIX = "tallyport."
REPLY_QUEUE_PREFIX = "tallyport.reply."
DEAD = "tallyport.dead"
DEAD_QUEUE = "tallyport.dead"
CONTENT_TYPE = "application/json"

KIB = 1024
MIB = 1024 * KIB


class Service(StrEnum):
    GATEWAY = "gateway"
    REPORT_WORKER = "report_worker"
    AGGREGATOR = "aggregator"
    RECORDER = "recorder"


class QueueType(StrEnum):
    """Work survives the loss of a node (quorum). A question does not have to: it has a deadline,
    its asker waits, and a replicated log would cost every answer a disk write (classic)."""

    QUORUM = "quorum"
    CLASSIC = "classic"


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue, bound to `exchange` with its own name as routing key."""

    name: str
    type: QueueType
    owner: Service
    prefetch: int
    body_bytes_max: int
    length_max: int | None = None
    exchange: str = COMMANDS


# A build is claimed and acknowledged at once; prefetch 1 keeps a poison message's delivery count
# from being charged to innocent neighbours.
BUILD_SMALL = Queue(
    "tallyport.report.build.small",
    QueueType.QUORUM,
    Service.REPORT_WORKER,
    1,
    16 * KIB,
    exchange=BUILDS,
)
BUILD_LARGE = Queue(
    "tallyport.report.build.large",
    QueueType.QUORUM,
    Service.REPORT_WORKER,
    1,
    16 * KIB,
    exchange=BUILDS,
)
REPORT_REQUESTS = Queue(
    "tallyport.report.request", QueueType.QUORUM, Service.REPORT_WORKER, 1, 64 * KIB
)
RECORDS = Queue("tallyport.record", QueueType.QUORUM, Service.RECORDER, 8, 8 * MIB)
QUESTIONS = Queue(
    "tallyport.aggregate.query",
    QueueType.CLASSIC,
    Service.AGGREGATOR,
    # More than an aggregator works on and lets wait, so that it can refuse the rest.
    160,
    # As much as the gateway takes of a question: what is wrong with it is the aggregator's to say.
    2 * MIB,
    length_max=10_000,
)

ROLLUP_WISHES = Queue(
    "tallyport.rollup.request", QueueType.QUORUM, Service.RECORDER, 8, 16 * KIB, exchange=WISHES
)

QUEUES = (BUILD_SMALL, BUILD_LARGE, REPORT_REQUESTS, RECORDS, ROLLUP_WISHES, QUESTIONS)


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one kind. `replies` are the messages that can come back, if any."""

    message: type[Message]
    queue: Queue
    replies: tuple[type[Message], ...] = ()

    @property
    def kind(self) -> str:
        return self.message.KIND


_RECORDED = (recording.Recorded, failures.Failure)
_SAVED = (recording.RegisterSaved, failures.Failure)

ROUTES: dict[str, Route] = {
    route.kind: route
    for route in (
        Route(reports.ReportBuild, BUILD_SMALL),
        Route(reports.ReportRequest, REPORT_REQUESTS, (failures.Failure,)),
        Route(aggregations.AggregateQuery, QUESTIONS, (failures.Failure,)),
        Route(analyses.AggregateAnalysis, QUESTIONS, (failures.Failure,)),
        Route(dimensions.AggregateDimensions, QUESTIONS, (failures.Failure,)),
        Route(recording.RegisterCreate, RECORDS, _SAVED),
        Route(recording.RegisterUpdate, RECORDS, _SAVED),
        Route(recording.RecordItems, RECORDS, _RECORDED),
        Route(record_columns.RecordColumns, RECORDS, _RECORDED),
        Route(recording.VoidItem, RECORDS, _RECORDED),
        Route(recording.RecordCustomers, RECORDS, _RECORDED),
        Route(recording.RecordTransactions, RECORDS, _RECORDED),
        Route(recording.RecordSubscriptions, RECORDS, _RECORDED),
        Route(rollups.RollupRequest, ROLLUP_WISHES),
    )
}

# Events go to the topic exchange `EVENTS_EXCHANGE` with their kind as routing key.
EVENTS: dict[str, type[Message]] = {
    event.KIND: event
    for event in (reports.ReportReady, reports.ReportFailed, recording.ItemsRecorded)
}


def may_be_answered(reply_to: str) -> bool:
    """Whether an answer may be sent to a queue of this name: no queue of ours that takes work."""
    return not reply_to.startswith(OURS_PREFIX) or reply_to.startswith(REPLY_QUEUE_PREFIX)


def build_queue(*, large: bool) -> Queue:
    """Large reports have a queue of their own, so that a short one never waits behind them."""
    return BUILD_LARGE if large else BUILD_SMALL
