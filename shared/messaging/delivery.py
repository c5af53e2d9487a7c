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

from shared import failpoints
from shared.contracts.message import Message
from shared.contracts.routes import CONTENT_TYPE
from shared.failpoints import Step
from shared.messaging.frames import acknowledge_at_once
from shared.messaging.line import abort

# Writing a few bytes to a socket; longer only when the line is dead and nobody has noticed.
SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply as bytes. `kind` is the message kind in the body, if it is a message. `afterwards` is
    called when it is on its way: what its asker need not wait for, such as a line in the log."""

    body: bytes
    content_type: str = CONTENT_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    afterwards: Callable[[], None] | None = field(default=None, compare=False)


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

    async def acknowledge(self, step: Step = Step.MESSAGE_ACKNOWLEDGE) -> None:
        if self.is_settled:
            return
        await failpoints.before(step, self._drop_connection)
        tag = self._take()
        if tag is not None:
            with suppress(Exception):
                if not acknowledge_at_once(self._message.channel, tag):
                    async with asyncio.timeout(SETTLE_SECONDS):
                        await self._message.channel.basic_ack(tag, wait=False)
        await failpoints.after(step, self._drop_connection)

    async def give_back(self) -> None:
        """Put it back where it was, for any consumer."""
        tag = self._take()
        if tag is not None:
            with suppress(Exception):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await self._message.channel.basic_nack(tag, requeue=True, wait=False)

    def _drop_connection(self) -> None:
        abort(self._message.channel.connection)

    def _take(self) -> int | None:
        """The tag to settle, the first time, while its channel lives."""
        if self.is_settled:
            return None
        self.is_settled = True
        return None if self.is_lost else self._message.delivery_tag


class SharedReceipt(Receipt):
    """One message's part in the receipt of a delivery that holds several."""

    def __init__(self, message: DeliveredMessage, whole: Whole) -> None:
        super().__init__(message)
        self._whole = whole

    async def acknowledge(self, step: Step = Step.MESSAGE_ACKNOWLEDGE) -> None:
        if not self.is_settled:
            self.is_settled = True
            await self._whole.part_settled(given_back=False, step=step)

    async def give_back(self) -> None:
        if not self.is_settled:
            self.is_settled = True
            await self._whole.part_settled(given_back=True)


class Whole:
    """Settles a delivery when its last part is: acknowledged, or given back if one part was."""

    def __init__(self, message: DeliveredMessage, parts: int) -> None:
        self._receipt = Receipt(message)
        self._left = parts
        self._given_back = False

    async def part_settled(
        self, *, given_back: bool, step: Step = Step.MESSAGE_ACKNOWLEDGE
    ) -> None:
        self._left -= 1
        self._given_back |= given_back
        if self._left == 0:
            if self._given_back:
                await self._receipt.give_back()
            else:
                await self._receipt.acknowledge(step)
