"""Answering on the queue that the asker named, by the exchange of answers. It leads to gateways,
and to another's queue through one of them (`other_replies`).

In: what a handler returned, or an error. Out: a transient message without confirm, and not
`mandatory` (an asker that is gone misses nothing, and up to RabbitMQ 4.1 a mandatory direct reply
is both delivered and returned). Answers to our own askers that are ready at the same moment travel
in one message.
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

import structlog
from pamqp.commands import Basic

from shared import failpoints
from shared.contracts.message import Message
from shared.contracts.routes import CONTENT_TYPE, REPLIES
from shared.errors import TallyportError, UnavailableError, to_failure
from shared.failpoints import Step
from shared.messaging.batch import CONTENT_TYPE_BATCH, ENTRIES_MAX, Entry, pack
from shared.messaging.codec import encode
from shared.messaging.connection import Broker
from shared.messaging.delivery import Answer, Reply
from shared.messaging.envelope import TRANSIENT
from shared.messaging.frames import publish_at_once
from shared.messaging.line import abort
from shared.messaging.topology import REPLY_QUEUE_PREFIX

log = structlog.get_logger(__name__)


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
    """Sends answers. One that cannot be sent is lost, which is logged; its asker runs into the
    deadline. With `together`, answers wait for the loop to turn and are then sent as one; without,
    an answer is written before `send` returns, so that what follows it (the acknowledgement of a
    record) does not overtake it."""

    def __init__(self, broker: Broker, *, together: bool) -> None:
        self._broker = broker
        self._together = together
        self._waiting: dict[str, list[Entry]] = {}

    async def send(self, reply_to: str, correlation_id: str | None, answer: Answer) -> None:
        """Waits for a connection, for as long as publishing may take."""
        try:
            if self._broker.unconfirmed.problem():
                await self._wait_for_channel()
            await failpoints.before(Step.MESSAGE_REPLY, self._drop_connection)
            if self._together and correlation_id and reply_to.startswith(REPLY_QUEUE_PREFIX):
                self._send_soon(reply_to, correlation_id, answer)
            else:
                self._publish(reply_to, _entry(correlation_id or "", answer))
            await failpoints.after(Step.MESSAGE_REPLY, self._drop_connection)
        except (RuntimeError, UnavailableError, OSError) as error:
            log.warning("reply.lost", reason=str(error) or "no connection to answer on")

    async def sent(self) -> None:
        """When what was given to `send` has left: those that wait for the loop to turn are written
        in its next turn, by a callback that comes before this does."""
        if self._waiting:
            await asyncio.sleep(0)

    def _drop_connection(self) -> None:
        if self._broker.publishing.current is not None:
            abort(self._broker.publishing.current)

    async def _wait_for_channel(self) -> None:
        async with asyncio.timeout(self._broker.settings.publish_seconds):
            await self._broker.unconfirmed.wait_open()

    def _send_soon(self, reply_to: str, correlation_id: str, answer: Answer) -> None:
        waiting = self._waiting.setdefault(reply_to, [])
        waiting.append(_entry(correlation_id, answer))
        if len(waiting) == 1:
            asyncio.get_running_loop().call_soon(self._send_waiting, reply_to)

    def _send_waiting(self, reply_to: str) -> None:
        waiting = self._waiting.pop(reply_to)
        try:
            for start in range(0, len(waiting), ENTRIES_MAX):
                self._publish(reply_to, *waiting[start : start + ENTRIES_MAX])
        except (RuntimeError, UnavailableError) as error:
            log.warning("reply.lost", reason=str(error))

    def _publish(self, reply_to: str, *entries: Entry) -> None:
        first, alone = entries[0], len(entries) == 1
        written = publish_at_once(
            self._broker.unconfirmed.current(),
            first.body if alone else pack(entries),
            Basic.Properties(
                content_type=first.content_type if alone else CONTENT_TYPE_BATCH,
                headers={**first.headers} if alone and first.headers else None,
                delivery_mode=TRANSIENT,
                correlation_id=(first.correlation_id or None) if alone else None,
                message_id=uuid4().hex,
                message_type=first.kind if alone else None,
                app_id=self._broker.name,
            ),
            exchange=REPLIES,
            routing_key=reply_to,
        )
        if not written:
            raise UnavailableError("the line to the broker is full: it takes no more answers")


def _entry(correlation_id: str, answer: Answer) -> Entry:
    return Entry(correlation_id, answer.body, answer.kind, answer.content_type, answer.headers)
