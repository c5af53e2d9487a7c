"""The composition root: what the aggregator is made of, and the order in which it starts and stops.

Comes in: settings, and `stop`, set when the process is to end. Goes out: nothing; it serves.
"""

from __future__ import annotations

import asyncio

from services.aggregator.admission import Admission
from services.aggregator.aggregate import Aggregator
from services.aggregator.analyse import Analyst
from services.aggregator.catalogue import Catalogue
from services.aggregator.handlers import Handlers
from services.aggregator.sessions import open_sessions
from services.aggregator.settings import AggregatorServiceSettings
from services.aggregator.wishes import Wishes
from shared.contracts.aggregations import AggregateQuery
from shared.contracts.analyses import AggregateAnalysis
from shared.contracts.dimensions import AggregateDimensions
from shared.contracts.routes import DEAD_QUEUE, QUESTIONS
from shared.database.replica import ReadSources
from shared.messaging.connection import Broker
from shared.messaging.consumer import Consumer
from shared.messaging.depths import watch_depths
from shared.messaging.publisher import Publisher
from shared.operations import operations_server
from shared.runtime import background

NAME = "aggregator"
# Of the time to drain: the rest is for closing connections.
DRAIN_SHARE = 0.8


async def serve(settings: AggregatorServiceSettings, stop: asyncio.Event) -> None:
    """Answer questions until `stop`, then finish those in hand."""
    own = settings.aggregator
    async with (
        open_sessions(settings.database, own, name=NAME) as database,
        ReadSources.open(
            database,
            settings.database,
            lambda replica: open_sessions(replica, own, name=f"{NAME} replica"),
            wait_seconds=own.replica_wait_seconds,
        ) as sources,
        Broker.open(settings.broker, NAME) as broker,
    ):
        wishes = Wishes(Publisher(broker))
        admission = Admission.of(own)
        handlers = Handlers(
            Aggregator(sources, own, admission),
            Analyst(sources, own, admission),
            Catalogue(sources, own, admission),
            wishes.note,
        )
        consumer = Consumer(
            broker,
            QUESTIONS,
            {
                AggregateQuery: handlers.answer_query,
                AggregateAnalysis: handlers.answer_analysis,
                AggregateDimensions: handlers.answer_dimensions,
            },
        )

        async def broker_problem() -> str | None:
            return "; ".join(broker.problems()) or None

        checks = {"database": database.problem, "broker": broker_problem}
        async with (
            background(
                wishes=wishes.run(), depths=watch_depths(broker, [QUESTIONS.name, DEAD_QUEUE])
            ),
            operations_server(settings.operations, checks) as readiness,
        ):
            await consumer.start()
            await stop.wait()
            readiness.start_draining()
            await consumer.stop(settings.operations.drain_seconds * DRAIN_SHARE)
