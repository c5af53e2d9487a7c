"""Sending so that it is known to have arrived.

Comes in: a message for a queue or an event for whoever listens. Goes out: nothing, when the broker
has confirmed it; UnavailableError otherwise, in bounded time. After an error it may have arrived
all the same: whoever repeats it relies on the receiver to take it twice.

Any number of publications may be in flight at once on the one channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from aiormq.exceptions import AMQPError, DeliveryError, PublishError
from pamqp.commands import Basic

from shared import failpoints
from shared.contracts.message import Message
from shared.contracts.routes import (
    CONTENT_TYPE,
    EVENTS,
    EVENTS_EXCHANGE,
    ROUTES,
    Queue,
)
from shared.errors import UnavailableError
from shared.failpoints import Step
from shared.messaging.cancellation import stray_cancellation_is
from shared.messaging.cloud_events import cloud_event_headers
from shared.messaging.codec import encode
from shared.messaging.connection import Broker
from shared.messaging.envelope import PERSISTENT, properties_of
from shared.messaging.line import abort
from shared.messaging.metrics import PUBLISHED

_LOST = "the connection to the broker was lost while publishing"


class NotTakenError(UnavailableError):
    """The broker answers, and no queue takes the message."""


class Publisher:
    """Publishes persistently, with confirms. It keeps nothing: make as many as you like."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def publish(
        self,
        message: Message,
        *,
        queue: Queue | None = None,
        reply_to: str | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """A command goes to its route's queue, or to `queue`; an event to the events exchange.
        Raises UnavailableError."""
        sender = self._broker.name
        is_event = message.kind in EVENTS
        headers = cloud_event_headers(message, f"/tallyport/{sender}") if is_event else None
        to = None if is_event else queue or ROUTES[message.kind].queue
        await self.send(
            exchange=to.exchange if to else EVENTS_EXCHANGE,
            routing_key=to.name if to else message.kind,
            body=encode(message),
            properties=properties_of(
                message,
                sender=sender,
                headers=headers,
                reply_to=reply_to,
                correlation_id=correlation_id,
            ),
            mandatory=not is_event,
        )

    async def publish_body(
        self,
        *,
        exchange: str,
        routing_key: str,
        kind: str,
        message_id: str,
        body: bytes,
        headers: Mapping[str, str],
        mandatory: bool,
    ) -> None:
        """A message that was encoded earlier, e.g. in the outbox. Raises UnavailableError."""
        await self.send(
            exchange=exchange,
            routing_key=routing_key,
            body=body,
            properties=Basic.Properties(
                content_type=CONTENT_TYPE,
                headers={**headers},
                delivery_mode=PERSISTENT,
                message_id=message_id,
                message_type=kind,
                app_id=self._broker.name,
            ),
            mandatory=mandatory,
        )

    async def send(
        self,
        *,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Basic.Properties,
        mandatory: bool,
    ) -> None:
        """The ground of the above. `message_id` must differ from every one in flight: it is what
        a returned message is recognised by. Raises UnavailableError."""
        outcome = "failed"
        try:
            await self._send(exchange, routing_key, body, properties, mandatory)
            outcome = "confirmed"
        finally:
            PUBLISHED.labels(outcome).inc()

    async def _send(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Basic.Properties,
        mandatory: bool,
    ) -> None:
        seconds = self._broker.settings.publish_seconds
        try:
            with stray_cancellation_is(_LOST):
                async with asyncio.timeout(seconds):
                    channel = await self._broker.confirmed.opened()
                    # A message handed to a blocked connection would still be delivered when the
                    # alarm is over, long after its sender was told that it failed.
                    await channel.connection.ready()
                    drop = partial(abort, channel.connection)
                    await failpoints.before(Step.MESSAGE_PUBLISH, drop)
                    await channel.basic_publish(
                        body,
                        exchange=exchange,
                        routing_key=routing_key,
                        properties=properties,
                        mandatory=mandatory,
                    )
                    await failpoints.after(Step.MESSAGE_PUBLISH, drop)
        except PublishError:
            raise NotTakenError(f"no queue takes {routing_key}: nothing was sent") from None
        except DeliveryError:
            raise NotTakenError(f"the broker refused {routing_key}: its queue is full") from None
        except TimeoutError:
            raise UnavailableError(await self._silence(seconds)) from None
        except (AMQPError, OSError, RuntimeError) as error:
            raise UnavailableError(f"{_LOST}: {error}") from error

    async def _silence(self, seconds: float) -> str:
        if await self._broker.publishing.is_blocked():
            return "the broker takes no messages: its memory or disk alarm is on"
        return f"the broker did not confirm within {seconds:g} s"
