"""How much waits in queues, for `/metrics`.

Comes in: a broker and names of queues. Goes out: two gauges for each, as the broker tells them
every few seconds. While it cannot be asked they are not a number, which is not to be taken for
none.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import structlog

from shared.messaging.cancellation import stray_cancellation_is
from shared.messaging.connection import Broker
from shared.messaging.declaration import scratch_channel
from shared.messaging.metrics import QUEUE_CONSUMERS, QUEUE_MESSAGES

EVERY_SECONDS = 5.0
ASK_SECONDS = 3.0

log = structlog.get_logger(__name__)


async def watch_depths(broker: Broker, queues: Sequence[str]) -> None:
    """Look until cancelled."""
    while True:
        for queue in queues:
            messages, consumers = await _ask(broker, queue)
            QUEUE_MESSAGES.labels(queue).set(messages)
            QUEUE_CONSUMERS.labels(queue).set(consumers)
        await asyncio.sleep(EVERY_SECONDS)


async def _ask(broker: Broker, queue: str) -> tuple[float, float]:
    connection = broker.consuming.current
    if connection is None:
        return math.nan, math.nan
    try:
        with stray_cancellation_is("the connection was lost"):
            async with asyncio.timeout(ASK_SECONDS), scratch_channel(connection) as channel:
                found = await channel.queue_declare(queue, passive=True)
    except Exception as error:  # noqa: BLE001 - the queue is not there, or the line is lost
        log.debug("queue.not_seen", queue=queue, reason=repr(error))
        return math.nan, math.nan
    return found.message_count or 0, found.consumer_count or 0
