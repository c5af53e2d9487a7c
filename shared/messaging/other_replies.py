"""Handing on answers to queues that no gateway made: to whoever else asked over the broker.

In: answers that no binding of the exchange of answers took, with the asker's `reply_to` as routing
key. Out: the same through the default exchange, which reaches every queue by its name, direct
replies too. That is a right to publish anywhere, so only a gateway has it (which may publish
commands anyway), and it uses it for no queue of ours that takes work.
"""

from __future__ import annotations

import structlog
from aiormq import Channel
from aiormq.abc import DeliveredMessage

from shared.contracts.routes import OTHER_REPLIES, may_be_answered
from shared.errors import UnavailableError
from shared.messaging.connection import Broker
from shared.messaging.frames import acknowledge_at_once, consume, publish_at_once
from shared.messaging.kept_channel import KeptChannel

PREFETCH = 32
QUEUE_CHARS_MAX = 100

log = structlog.get_logger(__name__)


class OtherReplies:
    """`start()` once, `await stop()` at the end. An answer that cannot be handed on is lost, and
    logged."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._kept: KeptChannel | None = None

    def start(self) -> None:
        """Hand on from now on, whenever the broker is there."""
        # Its queue goes with a node of the broker; a gateway is no less ready for its own callers.
        self._kept = self._broker.keep_channel(
            "answers to others", prepare=self._prepare, optional=True
        )

    async def stop(self) -> None:
        """What was taken and not handed on goes to another gateway."""
        if self._kept is not None:
            await self._broker.drop_channel(self._kept)

    async def _prepare(self, channel: Channel) -> None:
        await channel.basic_qos(prefetch_count=PREFETCH)
        channel.on_consumer_cancel_callbacks.add(self._cancelled_by_broker)
        await consume(channel, OTHER_REPLIES, self._heard, sender=self._broker.name)

    def _cancelled_by_broker(self, _frame: object) -> None:
        if self._kept is not None:
            self._kept.renew("the broker deleted the queue of answers to others")

    def _heard(self, message: DeliveredMessage) -> None:
        reply_to = message.routing_key or ""
        if may_be_answered(reply_to):
            try:
                self._hand_on(message, reply_to)
            except (RuntimeError, UnavailableError) as error:
                log.warning("reply.lost", reason=str(error))
        else:
            log.warning("reply.refused", queue=reply_to[:QUEUE_CHARS_MAX])
        if message.delivery_tag is not None and not message.channel.is_closed:
            acknowledge_at_once(message.channel, message.delivery_tag)

    def _hand_on(self, message: DeliveredMessage, reply_to: str) -> None:
        channel = self._broker.unconfirmed.current()
        if not publish_at_once(
            channel, message.body, message.header.properties, routing_key=reply_to
        ):
            raise UnavailableError("the line to the broker is full: it takes no more answers")
