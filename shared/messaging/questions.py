"""Sending questions: transient, without confirms, gone when their deadline has passed.

In: a question and the future of its answer. Out: an AMQP message on the question's queue, or one
message for all that were asked at the same moment. What goes wrong is set on the futures: the
library's PublishError when the broker returns it because the queue is not there, or
UnavailableError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiormq import Channel
from pamqp.commands import Basic

from shared.contracts.routes import CONTENT_TYPE, Queue
from shared.errors import UnavailableError
from shared.messaging.batch import CONTENT_TYPE_BATCH, ENTRIES_MAX, Entry, pack
from shared.messaging.connection import Broker
from shared.messaging.delivery import Answer
from shared.messaging.envelope import TRANSIENT, milliseconds
from shared.messaging.frames import publish_at_once
from shared.tracing import HEADER


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is asked (encoded by whoever asks, so that what cannot be is the asker's error), for how
    long, under which number, where the answer goes, and in which trace."""

    kind: str
    body: bytes
    number: str
    deadline_seconds: float
    answer: asyncio.Future[Answer]
    traceparent: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """None of them costs the short way of writing a message (`wire`)."""
        return {} if self.traceparent is None else {HEADER: self.traceparent}


class Questions:
    """One process's questions, on the channel without confirms."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: dict[tuple[Queue, str], list[Question]] = {}

    def send(self, question: Question, queue: Queue, *, reply_to: str) -> None:
        """Send it together with all others that are asked before the loop turns."""
        waiting = self._waiting.setdefault((queue, reply_to), [])
        waiting.append(question)
        if len(waiting) == 1:
            # Not in the asker's task: whoever asked first may leave, the others still want to go.
            asyncio.get_running_loop().call_soon(self._send_waiting, queue, reply_to)

    def _send_waiting(self, queue: Queue, reply_to: str) -> None:
        waiting = [one for one in self._waiting.pop((queue, reply_to)) if not one.answer.done()]
        for start in range(0, len(waiting), ENTRIES_MAX):
            together = waiting[start : start + ENTRIES_MAX]
            try:
                self._publish(together, queue, reply_to)
            except (RuntimeError, UnavailableError) as error:
                for one in together:
                    one.answer.set_exception(UnavailableError(str(error)))

    def _publish(self, questions: Sequence[Question], queue: Queue, reply_to: str) -> None:
        first, alone = questions[0], len(questions) == 1
        channel = self._broker.unconfirmed.current()
        # Not the messages' own ids: the same question may be asked twice at once.
        message_id = f"{reply_to}.{first.number}"
        written = publish_at_once(
            channel,
            first.body if alone else pack([_entry(one) for one in questions]),
            Basic.Properties(
                content_type=CONTENT_TYPE if alone else CONTENT_TYPE_BATCH,
                headers={**first.headers} if alone else None,
                delivery_mode=TRANSIENT,
                message_id=message_id,
                message_type=first.kind if alone else None,
                app_id=self._broker.name,
                reply_to=reply_to,
                correlation_id=first.number if alone else None,
                expiration=milliseconds(max(one.deadline_seconds for one in questions)),
            ),
            exchange=queue.exchange,
            routing_key=queue.name,
            mandatory=True,
        )
        if not written:
            raise UnavailableError("the line to the broker is full: it takes no more questions")
        _hear_of_return(channel, message_id, int(first.number), [one.answer for one in questions])


def _entry(question: Question) -> Entry:
    return Entry(question.number, question.body, question.kind, CONTENT_TYPE, question.headers)


def _hear_of_return(
    channel: Channel, message_id: str, number: int, answers: Sequence[asyncio.Future[Any]]
) -> None:
    """Make the library set PublishError on the answers when the message is returned.

    It looks up returned messages among the unconfirmed ones; on a channel without confirms there
    are none, and a return would only be logged. So a future of ours stands in for the confirm.
    """
    returned: asyncio.Future[Any] = (
        answers[0] if len(answers) == 1 else asyncio.get_running_loop().create_future()
    )
    channel.message_id_delivery_tag[message_id] = number
    channel.confirmations[number] = returned
    left = len(answers)

    def answered(_answer: asyncio.Future[Any]) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            channel.message_id_delivery_tag.pop(message_id, None)
            channel.confirmations.pop(number, None)

    def fail_all(_returned: asyncio.Future[Any]) -> None:
        error = returned.exception()
        for answer in answers:
            if error is not None and not answer.done():
                answer.set_exception(error)

    for answer in answers:
        answer.add_done_callback(answered)
    if len(answers) > 1:
        returned.add_done_callback(fail_all)
