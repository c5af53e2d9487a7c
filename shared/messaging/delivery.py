"""What a handler is given, and what it may give back.

In: one AMQP delivery. Out: `Delivery` for the handler; `Receipt`, which acknowledges or gives back
exactly once, and does neither once the delivery's channel is gone (the broker delivers it again).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiormq.abc import DeliveredMessage

from shared.contracts.message import Message
from shared.contracts.routes import CONTENT_TYPE

# Writing a few bytes to a socket; longer only when the line is dead and nobody has noticed.
SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply as bytes. `kind` is the message kind in the body, if it is a message."""

    body: bytes
    content_type: str = CONTENT_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """The envelope of a message in hand. `acknowledge` takes it off the queue before the handler
    is done, for work that is kept safe elsewhere from then on; calling it twice does no harm."""

    message_id: str
    kind: str
    reply_to: str | None
    correlation_id: str | None
    redelivered: bool
    received_at: datetime
    traceparent: str | None
    acknowledge: Callable[[], Awaitable[None]]


Reply = Message | Answer | bytes | None
# The first argument is the decoded message of the class that the handler is registered for.
Handler = Callable[[Any, Delivery], Awaitable[Reply]]


class Receipt:
    """The right to settle one delivery, once."""

    def __init__(self, message: DeliveredMessage) -> None:
        self._message = message
        self.is_settled = False

    @property
    def is_lost(self) -> bool:
        """The channel is gone: somebody else, or we ourselves, will get the message again."""
        return self._message.channel.is_closed

    async def acknowledge(self) -> None:
        await self._settle(lambda tag: self._message.channel.basic_ack(tag, wait=False))

    async def give_back(self) -> None:
        """Put it back where it was, for any consumer."""
        await self._settle(
            lambda tag: self._message.channel.basic_nack(tag, requeue=True, wait=False)
        )

    async def _settle(self, send: Callable[[int], Awaitable[None]]) -> None:
        tag = self._message.delivery_tag
        if self.is_settled or tag is None:
            return
        self.is_settled = True
        if not self.is_lost:
            with suppress(Exception):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await send(tag)
