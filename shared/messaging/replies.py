"""Answering on the queue that the asker named.

In: what a handler returned, or an error. Out: a transient message without confirm, and not
`mandatory` (an asker that is gone misses nothing, and up to RabbitMQ 4.1 a mandatory direct reply
is both delivered and returned).
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

from aiormq.exceptions import AMQPError
from pamqp.commands import Basic

from shared.contracts.message import Message
from shared.contracts.routes import CONTENT_TYPE
from shared.errors import TallyportError, UnavailableError, to_failure
from shared.messaging.cancellation import stray_cancellation_is
from shared.messaging.codec import encode
from shared.messaging.connection import Broker
from shared.messaging.delivery import Answer, Reply
from shared.messaging.envelope import TRANSIENT


def answer_of(reply: Reply) -> Answer:
    """What a handler returned, as bytes. None is an empty answer."""
    if isinstance(reply, Answer):
        return reply
    if isinstance(reply, Message):
        return Answer(encode(reply), CONTENT_TYPE, kind=reply.kind)
    return Answer(reply or b"")


def failure_of(error: TallyportError) -> Answer:
    return answer_of(to_failure(error))


class Replies:
    """Sends answers. One that cannot be sent is lost; its asker runs into the deadline."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def send(self, reply_to: str, correlation_id: str | None, answer: Answer) -> None:
        """Raises UnavailableError when there is no connection, even after waiting for one."""
        try:
            with stray_cancellation_is("the connection was lost while answering"):
                async with asyncio.timeout(self._broker.settings.publish_seconds):
                    channel = await self._broker.unconfirmed.wait_open()
                    await channel.basic_publish(
                        answer.body,
                        routing_key=reply_to,
                        properties=Basic.Properties(
                            content_type=answer.content_type,
                            headers={**answer.headers},
                            delivery_mode=TRANSIENT,
                            correlation_id=correlation_id,
                            message_id=uuid4().hex,
                            message_type=answer.kind,
                            app_id=self._broker.name,
                        ),
                        wait=False,
                    )
        except TimeoutError:
            raise UnavailableError("no connection to answer on") from None
        except (AMQPError, OSError, RuntimeError) as error:
            raise UnavailableError(f"the answer could not be sent: {error}") from error
