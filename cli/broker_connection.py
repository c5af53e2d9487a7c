"""The broker for commands that go there themselves: TALLYPORT_BROKER_URL.

Comes in: the environment. Goes out: both connections, up, with nothing declared on them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import ValidationError

from cli.outcomes import UnreachableError, UsageError
from shared.messaging.connection import Broker
from shared.messaging.dead_letter_queue import NOTHING_DECLARED
from shared.settings import BrokerSettings


@asynccontextmanager
async def opened_broker(name: str) -> AsyncIterator[Broker]:
    """Raises UsageError without an address, UnreachableError when nobody answers in time."""
    try:
        settings = BrokerSettings()
    except ValidationError:
        raise UsageError(
            "no broker: set TALLYPORT_BROKER_URL to amqp://user:password@host:port/vhost"
        ) from None
    async with Broker.open(settings, name, wait=False, topology=NOTHING_DECLARED) as broker:
        try:
            async with asyncio.timeout(settings.connect_seconds):
                await broker.consuming.wait_open()
                await broker.confirmed.wait_open()
        except TimeoutError:
            problems = "; ".join(broker.problems())
            raise UnreachableError(f"{problems} (TALLYPORT_BROKER_URL)") from None
        yield broker
