"""One connection to the broker: messages go out confirmed, their answers come back.

Comes in: a body, its kind and id. Goes out: the answer's body and kind. A line that is lost ends
everything that waits on it at once; the next one is made by whoever needs it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AuthenticationError,
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)

from tallyport_client.errors import BrokerRefusedError, UnreachableError, UnroutableError
from tallyport_client.routes import COMMANDS, CONTENT_TYPE, REPLY_QUEUE_PREFIX

CONNECT_SECONDS = 10.0
CONFIRM_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    kind: str
    body: bytes


class BrokerLine:
    """`await BrokerLine.made(url)`."""

    def __init__(self, connection: aio_pika.abc.AbstractConnection) -> None:
        self._connection = connection
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._reply_to = f"{REPLY_QUEUE_PREFIX}client.{uuid4().hex}"
        self._is_lost = False

    @property
    def is_up(self) -> bool:
        return not self._is_lost and not self._connection.is_closed

    @classmethod
    async def made(cls, url: str) -> BrokerLine:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                line = cls(await aio_pika.connect(url))
                try:
                    await line._prepare()
                except BaseException:
                    await line.close()
                    raise
        except (AuthenticationError, ProbableAuthenticationError):
            raise BrokerRefusedError(
                "the broker does not let us in: user, password, host?"
            ) from None
        except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
            raise UnreachableError(f"cannot reach the broker ({_why(error)})") from None
        return line

    async def ask(self, kind: str, queue: str, body: bytes, message_id: str) -> Answer:
        """Publish, and wait for the answer: as long as the caller does. Raises `UnroutableError`
        when no queue takes it, and `UnreachableError` when the broker refuses it or is lost."""
        number = uuid4().hex
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        message = aio_pika.Message(
            body,
            content_type=CONTENT_TYPE,
            type=kind,
            message_id=message_id,
            correlation_id=number,
            reply_to=self._reply_to,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        try:
            await self._exchange.publish(
                message, routing_key=queue, mandatory=True, timeout=CONFIRM_SECONDS
            )
            return await answer
        except PublishError:
            raise UnroutableError(f"no queue takes {kind}: is {queue} there?") from None
        except DeliveryError:
            raise UnreachableError("the broker refused the message for now") from None
        except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
            raise UnreachableError(
                f"the broker did not confirm ({_why(error)})", may_be_done=True
            ) from None
        finally:
            del self._waiting[number]
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, also when the publishing failed before it

    async def close(self) -> None:
        self._lost()
        await self._connection.close()

    async def _prepare(self) -> None:
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        channel.close_callbacks.add(self._lost)
        self._connection.close_callbacks.add(self._lost)
        replies = await channel.declare_queue(
            self._reply_to, exclusive=True, arguments={"x-queue-type": "classic"}
        )
        await replies.consume(self._answered, no_ack=True)
        self._exchange = await channel.get_exchange(COMMANDS, ensure=False)

    async def _answered(self, message: AbstractIncomingMessage) -> None:
        waiting = self._waiting.get(message.correlation_id or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(Answer(message.type or "", message.body))

    def _lost(self, *_: object) -> None:
        self._is_lost = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(
                    UnreachableError("the connection to the broker was lost", may_be_done=True)
                )


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__
