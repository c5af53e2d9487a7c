"""What the tests of messaging share: conditions with a deadline, sample messages, raw AMQP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiormq
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from devstack.rabbitmq import RabbitMQ
from shared.contracts.aggregations import AggregateArguments, AggregateQuery
from shared.contracts.recording import RecordItems
from shared.contracts.reports import ReportBuild
from shared.contracts.routes import DEAD_QUEUE

DEADLINE_SECONDS = 30.0


async def until(
    condition: Callable[[], Any], *, what: str = "", seconds: float = DEADLINE_SECONDS
) -> None:
    """Wait until the condition (a plain or an async function) holds."""
    deadline = time.monotonic() + seconds
    while True:
        held = condition()
        if asyncio.iscoroutine(held):
            held = await held
        if held:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or condition}")
        await asyncio.sleep(0.01)


def set_alarm(node: RabbitMQ, *, on: bool) -> None:
    """The alarm of too much memory in use, or its end."""
    node.evaluate(f"vm_memory_monitor:set_vm_memory_high_watermark({0.00001 if on else 0.4:f})")


def close_all_connections(node: RabbitMQ, vhost: str) -> None:
    """As an operator closes them."""
    node.evaluate(
        '[rabbit_networking:close_connection(P, "test") || [{pid, P}, {vhost, V}] <- '
        f'rabbit_networking:connection_info_all([pid, vhost]), V =:= <<"{vhost}">>]'
    )


def add_user(node: RabbitMQ, vhost: str, name: str, *rights: str) -> None:
    """With the password "secret", and what it may configure, write and read."""
    patterns = ", ".join('<<"{}">>'.format(one.replace("\\", "\\\\")) for one in rights)
    node.evaluate(
        f'rabbit_auth_backend_internal:add_user(<<"{name}">>, <<"secret">>, <<"test">>), '
        f'rabbit_auth_backend_internal:set_permissions(<<"{name}">>, <<"{vhost}">>, {patterns}, '
        '<<"test">>)'
    )


def build(report_id: int = 1) -> ReportBuild:
    return ReportBuild(store_id=1, report_id=report_id)


def question(measure: str = "item_count", seconds: float = 10) -> AggregateQuery:
    return AggregateQuery(
        store_id=1,
        measure=measure,
        arguments=AggregateArguments(register_id=1),
        deadline=datetime.now(UTC) + timedelta(seconds=seconds),
    )


def items(amount: str = "1.10") -> RecordItems:
    one = {"unique_key": "a", "amount": amount, "originated_at": "2024-01-01T00:00:00Z"}
    return RecordItems.model_validate({"store_id": 1, "register_id": 1, "items": [one]})


@dataclass
class Raw:
    """AMQP without any of our code."""

    channel: aiormq.Channel
    connection: aiormq.Connection

    async def publish(self, queue: str, body: bytes, **properties: Any) -> None:
        await self.channel.basic_publish(
            body, routing_key=queue, properties=Basic.Properties(**properties), mandatory=True
        )

    async def publish_to(
        self, exchange: str, routing_key: str, body: bytes, **properties: Any
    ) -> None:
        await self.channel.basic_publish(
            body,
            exchange=exchange,
            routing_key=routing_key,
            properties=Basic.Properties(**properties),
            mandatory=True,
        )

    async def depth(self, queue: str) -> int:
        """How many messages lie ready in the queue."""
        return (await self.channel.queue_declare(queue, passive=True)).message_count or 0

    async def consumers(self, queue: str) -> int:
        return (await self.channel.queue_declare(queue, passive=True)).consumer_count or 0

    async def take(self, queue: str) -> DeliveredMessage:
        """The next message, acknowledged."""
        found: list[DeliveredMessage] = []

        async def get() -> bool:
            message = await self.channel.basic_get(queue, no_ack=True)
            if isinstance(message.delivery, Basic.GetOk):
                found.append(message)
            return bool(found)

        await until(get, what=f"a message in {queue}")
        return found[0]

    async def take_dead(self) -> DeliveredMessage:
        return await self.take(DEAD_QUEUE)
