"""Asking another service over the broker, and waiting for the answer until a deadline.

Comes in: a command whose route names replies. Goes out: the answer's bytes, or the error: the one
that travelled as `Failure`, UnavailableError as soon as it is known that no answer can come, or
DeadlineExceededError.

Answers come on an exclusive queue of this process that is new after every reconnect, so that an
answer to an earlier life cannot be taken for one of this. Two ways, by the type of the route's
queue: questions (classic) are transient, without confirm, and expire with their deadline; records
(quorum) are persistent and confirmed, and do not expire: they may be done after their asker gave
up.
A question whose asker leaves or gives up is cancelled at whoever works on it (`hang_ups`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar
from uuid import uuid4

from aiormq import Channel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import PublishError
from pamqp.commands import Basic
from prometheus_client import Histogram

from shared.contracts.failures import Failure
from shared.contracts.message import Message
from shared.contracts.routes import REPLIES, ROUTES, Queue, QueueType
from shared.errors import (
    DeadlineExceededError,
    InternalError,
    TallyportError,
    UnavailableError,
    from_failure,
)
from shared.messaging.batch import CONTENT_TYPE_BATCH, unpack
from shared.messaging.codec import decode, encode
from shared.messaging.connection import Broker
from shared.messaging.delivery import Answer
from shared.messaging.frames import consume
from shared.messaging.hang_ups import HangUps
from shared.messaging.kept_channel import KeptChannel
from shared.messaging.metrics import RPC_SECONDS
from shared.messaging.presence import Presence
from shared.messaging.publisher import Publisher
from shared.messaging.questions import Question, Questions
from shared.messaging.spans import sending
from shared.messaging.topology import REPLY_QUEUE_PREFIX
from shared.tracing import Span, traceparent

R = TypeVar("R", bound=Message)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A call that waits for its answer."""

    queue: Queue
    answer: asyncio.Future[Answer]

    @property
    def is_in_vain(self) -> bool:
        """It ended, and the other side had not answered."""
        answer = self.answer
        return not answer.done() or answer.cancelled() or answer.exception() is not None

    def fail(self, error: TallyportError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class RpcClient:
    """`await start()`, then any number of calls at once; `await stop()` at the end."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._publisher = Publisher(broker)
        self._questions = Questions(broker)
        self._hang_ups = HangUps(broker)
        self._presence = Presence(broker, is_awaited=self._is_awaited, fail=self._fail)
        self._kept: KeptChannel | None = None
        self._reply_to: str | None = None
        self._waiting: dict[str, _Waiting] = {}
        broker.expect(self._problem)

    def _problem(self) -> str | None:
        return None if self._reply_to is not None else "answers: no queue for them"

    async def start(self) -> None:
        """Get a queue for answers; waits for it up to connect_seconds, then goes on trying."""
        self._broker.unconfirmed.on_lost.add(self._questions_lost)
        self._hang_ups.start()
        self._kept = self._broker.keep_channel("answers", prepare=self._prepare)
        self._kept.on_lost.add(self._lost)
        await self._kept.wait_open_for(self._broker.settings.connect_seconds)

    async def stop(self) -> None:
        """Calls that are still waiting end with UnavailableError."""
        self._broker.expect_no_more(self._problem)
        await self._presence.stop()
        await self._hang_ups.stop()
        self._broker.unconfirmed.on_lost.discard(self._questions_lost)
        if self._kept is not None:
            await self._broker.drop_channel(self._kept)

    async def ask(self, message: Message, reply_class: type[R], *, deadline_seconds: float) -> R:
        """Like `call`, for an answer that is a message."""
        answer = await self.call(message, deadline_seconds=deadline_seconds)
        return decode(answer.body, reply_class)

    async def call(self, message: Message, *, deadline_seconds: float) -> Answer:
        """The answer. Raises the TallyportError that came instead, UnavailableError when none can
        come, DeadlineExceededError after `deadline_seconds`."""
        began = time.monotonic()
        outcome = "cancelled"
        try:
            with _sending(message):
                answer = await self._call(message, deadline_seconds)
            outcome = "answered"
        except TallyportError as error:
            outcome = error.code.value
            raise
        finally:
            _seconds_of(message.kind, outcome).observe(time.monotonic() - began)
        return answer

    async def _call(self, message: Message, deadline_seconds: float) -> Answer:
        queue = ROUTES[message.kind].queue
        if self._kept is None or self._reply_to is None:
            problems = self._broker.problems()
            raise UnavailableError(problems[0] if problems else "the RPC client is not started")
        reply_to, number = self._reply_to, str(next(self._broker.numbers))
        waiting = _Waiting(queue, asyncio.get_running_loop().create_future())
        self._waiting[number] = waiting
        try:
            async with asyncio.timeout(deadline_seconds):
                if queue.type is QueueType.CLASSIC:
                    self._presence.expect(queue)
                    self._questions.send(
                        Question(
                            message.kind,
                            encode(message),
                            number,
                            deadline_seconds,
                            waiting.answer,
                            traceparent(),
                        ),
                        queue,
                        reply_to=reply_to,
                    )
                else:
                    await self._publisher.publish(message, reply_to=reply_to, correlation_id=number)
                answer = await waiting.answer
        except PublishError:
            raise UnavailableError(f"the queue {queue.name} does not exist") from None
        except TimeoutError:
            raise DeadlineExceededError(f"no answer within {deadline_seconds:g} s") from None
        finally:
            del self._waiting[number]
            if queue.type is QueueType.CLASSIC and waiting.is_in_vain:
                self._hang_ups.send(reply_to, number)
        if answer.kind == Failure.KIND:
            raise _error_in(answer)
        return answer

    async def _prepare(self, channel: Channel) -> None:
        name = f"{REPLY_QUEUE_PREFIX}{self._broker.name}.{uuid4().hex}"
        await channel.queue_declare(name, exclusive=True, arguments={"x-queue-type": "classic"})
        await channel.queue_bind(name, REPLIES, name)
        channel.on_consumer_cancel_callbacks.add(self._cancelled_by_broker)
        await consume(channel, name, self._answered, sender=self._broker.name, no_ack=True)
        self._reply_to = name

    def _cancelled_by_broker(self, _frame: Basic.Cancel) -> None:
        if self._kept is not None:
            self._kept.renew("the broker deleted the queue for answers")

    def _lost(self) -> None:
        self._reply_to = None
        self._fail(None, UnavailableError("the connection to the broker was lost, the answer too"))

    def _questions_lost(self) -> None:
        """What was written to a connection that broke may never have arrived."""
        error = UnavailableError("the connection to the broker was lost, perhaps the question too")
        for queue in {waiting.queue for waiting in self._waiting.values()}:
            if queue.type is QueueType.CLASSIC:
                self._fail(queue, error)

    def _is_awaited(self, queue: Queue) -> bool:
        return any(waiting.queue is queue for waiting in self._waiting.values())

    def _fail(self, queue: Queue | None, error: TallyportError) -> None:
        """End the calls that wait for an answer from this queue, or from any."""
        for waiting in self._waiting.values():
            if queue is None or waiting.queue is queue:
                waiting.fail(error)

    def _answered(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        if properties.content_type == CONTENT_TYPE_BATCH:
            for one in unpack(message.body):
                answer = Answer(one.body, one.content_type, one.headers, one.kind)
                self._hand_over(one.correlation_id, answer)
            return
        headers = {name: str(value) for name, value in (properties.headers or {}).items()}
        answer = Answer(
            message.body, properties.content_type or "", headers, properties.message_type
        )
        self._hand_over(properties.correlation_id, answer)

    def _hand_over(self, number: str | None, answer: Answer) -> None:
        waiting = self._waiting.get(number or "")
        # No longer waited for, or a stranger's: either way nobody's.
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_result(answer)


@lru_cache(maxsize=1_024)
def _seconds_of(kind: str, outcome: str) -> Histogram:
    """Looking it up among all costs more than counting it."""
    return RPC_SECONDS.labels(kind, outcome)


def _sending(message: Message) -> Span:
    queue = ROUTES[message.kind].queue
    return sending(queue.exchange, queue.name, message.kind, message.message_id)


def _error_in(answer: Answer) -> TallyportError:
    try:
        return from_failure(decode(answer.body, Failure))
    except TallyportError:
        # A code of newer code than ours.
        return InternalError("the other side failed, in a way that this side does not know")
