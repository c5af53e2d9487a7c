"""A listener's queue of a test's own, bound to an exchange, which keeps every message it gets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from shared.messaging.connection import Broker


class Listening:
    """What has come so far, in its order."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, object]] = []
        self.properties: list[Basic.Properties] = []

    async def deliver(self, message: DeliveredMessage) -> None:
        self.bodies.append(bytes(message.body))
        self.headers.append(dict(message.header.properties.headers or {}))
        self.properties.append(message.header.properties)
        assert message.delivery_tag is not None
        await message.channel.basic_ack(message.delivery_tag)

    def about(self, report_id: int) -> list[tuple[dict[str, Any], Basic.Properties]]:
        """The messages about a report: (content, properties)."""
        found = [
            (json.loads(body), properties)
            for body, properties in zip(self.bodies, self.properties, strict=True)
        ]
        return [one for one in found if one[0].get("report_id") == report_id]


@asynccontextmanager
async def listening(
    broker: Broker, exchange: str, key: str, queue: str
) -> AsyncIterator[Listening]:
    """The queue is durable: what comes while nobody consumes is kept for the next listener."""
    listener = Listening()
    connection = await broker.consuming.wait_open()
    channel: AbstractChannel = await connection.channel()
    await channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    await channel.queue_bind(queue, exchange, key)
    await channel.basic_consume(queue, listener.deliver)
    yield listener
