"""The composition root: what the recorder is made of, and the order in which it starts and stops.

Comes in: settings, and `stop`, set when the process is to end. Goes out: nothing; it serves.
"""

from __future__ import annotations

import asyncio

from services.recorder.handlers import handlers_of, wish_handlers_of
from services.recorder.record_items import ItemRecorder
from services.recorder.rollup_keeper import RollupKeeper
from services.recorder.settings import RecorderServiceSettings
from shared.contracts.routes import DEAD_QUEUE, RECORDS, ROLLUP_WISHES
from shared.database.pool import Database
from shared.messaging.connection import Broker
from shared.messaging.consumer import Consumer
from shared.messaging.depths import watch_depths
from shared.messaging.publisher import Publisher
from shared.operations import operations_server
from shared.relay import Relay
from shared.runtime import background

NAME = "recorder"
# Of the time to drain: the rest is for closing connections.
DRAIN_SHARE = 0.8
# One for each message in hand, two for the relay, four for the rollups, one for the readiness
# check.
CONNECTIONS = RECORDS.prefetch + 7


async def serve(settings: RecorderServiceSettings, stop: asyncio.Event) -> None:
    """Record until `stop`, then finish what is in hand."""
    async with (
        Database.open(settings.database, name=NAME, pool_max=CONNECTIONS) as database,
        Broker.open(settings.broker, NAME) as broker,
    ):
        items = ItemRecorder(database, group_items_max=settings.recorder.group_items_max)
        keeper = RollupKeeper(database, settings.recorder)
        relay = Relay(database, Publisher(broker))
        consumer = Consumer(
            broker, RECORDS, handlers_of(database, items, keeper, promised=relay.wake)
        )

        async def broker_problem() -> str | None:
            return "; ".join(broker.problems()) or None

        wishes = Consumer(broker, ROLLUP_WISHES, wish_handlers_of(keeper))
        checks = {"database": database.problem, "broker": broker_problem}
        async with (
            background(
                relay=relay.run(),
                rollups=keeper.run(),
                depths=watch_depths(broker, [RECORDS.name, ROLLUP_WISHES.name, DEAD_QUEUE]),
            ),
            operations_server(settings.operations, checks) as readiness,
        ):
            await consumer.start()
            await wishes.start()
            await stop.wait()
            readiness.start_draining()
            await wishes.stop(0)
            await consumer.stop(settings.operations.drain_seconds * DRAIN_SHARE)
            await items.close()
