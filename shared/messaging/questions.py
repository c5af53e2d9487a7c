"""Sending questions: transient, without confirms, gone when their deadline has passed.

In: a question and the future of its answer. Out: an AMQP message on the question's queue; when the
broker returns it because the queue is not there, the future gets the library's PublishError.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiormq import Channel
from aiormq.exceptions import AMQPError

from shared.contracts.message import Message
from shared.contracts.routes import COMMANDS, Queue
from shared.errors import UnavailableError
from shared.messaging.cancellation import stray_cancellation_is
from shared.messaging.codec import encode
from shared.messaging.connection import Broker
from shared.messaging.delivery import Answer
from shared.messaging.envelope import properties_of


class Questions:
    """One process's questions, on the channel without confirms."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def send(
        self,
        message: Message,
        queue: Queue,
        *,
        reply_to: str,
        number: str,
        deadline_seconds: float,
        answer: asyncio.Future[Answer],
    ) -> None:
        """Raises UnavailableError when there is no connection."""
        channel = await self._broker.unconfirmed.opened()
        properties = properties_of(
            message,
            sender=self._broker.name,
            persistent=False,
            reply_to=reply_to,
            correlation_id=number,
            expiration_seconds=deadline_seconds,
        )
        # The same question may be asked twice at once; returned messages are told apart by this.
        properties.message_id = f"{reply_to}.{number}"
        _hear_of_return(channel, properties.message_id, int(number), answer)
        try:
            with stray_cancellation_is("the connection to the broker was lost while asking"):
                await channel.basic_publish(
                    encode(message),
                    exchange=COMMANDS,
                    routing_key=queue.name,
                    properties=properties,
                    mandatory=True,
                    wait=False,
                )
        except (AMQPError, OSError, RuntimeError) as error:
            raise UnavailableError(f"the question could not be sent: {error}") from error


def _hear_of_return(
    channel: Channel, message_id: str, number: int, answer: asyncio.Future[Any]
) -> None:
    """Make the library set PublishError on `answer` when the message is returned.

    It looks up returned messages among the unconfirmed ones; on a channel without confirms there
    are none, and a return would only be logged. So the answer's future stands in for a confirm.
    """
    channel.message_id_delivery_tag[message_id] = number
    channel.confirmations[number] = answer

    def forget(_answer: asyncio.Future[Any]) -> None:
        channel.message_id_delivery_tag.pop(message_id, None)
        channel.confirmations.pop(number, None)

    answer.add_done_callback(forget)
