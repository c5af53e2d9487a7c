"""Telling those who answer questions that an asker has hung up.

In: the numbers of questions whose asker waits no more. Out, on the other side: calls of `left` with
the asker's reply queue and each number. Between them one fanout exchange, and an exclusive queue
for each process that answers: whoever has the question in hand drops it, the others ignore it.

Nobody waits for any of this, and a message that is lost costs only work that is done for nobody.
So it is transient, unconfirmed, and has channels of its own: a user without the right to it loses
this, and not the questions and answers on other channels.

    {"reply_to": "tallyport.reply.gateway.4f...", "numbers": ["17", "18"]}
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import orjson
import structlog
from aiormq import Channel
from aiormq.abc import AbstractConnection, DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused
from pamqp.commands import Basic

from shared.contracts.routes import CANCELLATIONS, CONTENT_TYPE
from shared.errors import UnavailableError
from shared.messaging.connection import Broker
from shared.messaging.declaration import scratch_channel
from shared.messaging.envelope import TRANSIENT
from shared.messaging.frames import consume, publish_at_once
from shared.messaging.kept_channel import KeptChannel
from shared.messaging.topology import CANCEL_QUEUE_PREFIX

# In one message; more are more messages.
NUMBERS_MAX = 256
BODY_BYTES_MAX = 16 * 1024

log = structlog.get_logger(__name__)


class HangUps:
    """The asker's side: `send`, from anywhere, at any time."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._kept: KeptChannel | None = None
        self._waiting: dict[str, list[str]] = {}

    def start(self) -> None:
        self._kept = self._broker.keep_optional_channel("cancellations")

    async def stop(self) -> None:
        if self._kept is not None:
            await self._broker.drop_channel(self._kept)

    def send(self, reply_to: str, number: str) -> None:
        """Tell it together with all others that hang up before the loop turns."""
        waiting = self._waiting.setdefault(reply_to, [])
        waiting.append(number)
        if len(waiting) == 1:
            asyncio.get_running_loop().call_soon(self._send_waiting, reply_to)

    def _send_waiting(self, reply_to: str) -> None:
        numbers = self._waiting.pop(reply_to)
        # No channel, or a line that is full: whoever answers finds out at the deadline.
        with suppress(RuntimeError, UnavailableError):
            for start in range(0, len(numbers), NUMBERS_MAX):
                self._publish(reply_to, numbers[start : start + NUMBERS_MAX])

    def _publish(self, reply_to: str, numbers: list[str]) -> None:
        if self._kept is not None:
            publish_at_once(
                self._kept.current(),
                orjson.dumps({"reply_to": reply_to, "numbers": numbers}),
                Basic.Properties(
                    content_type=CONTENT_TYPE, delivery_mode=TRANSIENT, app_id=self._broker.name
                ),
                exchange=CANCELLATIONS,
                routing_key="",
            )


class HangUpQueue:
    """The answerer's side: `left` is called with a reply queue and a number."""

    def __init__(self, broker: Broker, left: Callable[[str, str], None]) -> None:
        self._broker = broker
        self._left = left
        self._kept: KeptChannel | None = None
        self._connection: AbstractConnection | None = None
        self._name = ""

    def start(self) -> None:
        """Listen from now on, or as soon as that is possible."""
        self._kept = self._broker.keep_channel("consumer of cancellations", prepare=self._prepare)

    async def wait_open(self) -> None:
        """Until it listens, up to the settings' connect_seconds."""
        if self._kept is not None:
            await self._kept.wait_open_for(self._broker.settings.connect_seconds)

    async def stop(self) -> None:
        if self._kept is not None:
            await self._broker.drop_channel(self._kept)

    async def _prepare(self, channel: Channel) -> None:
        if self._connection is not channel.connection:
            # A new one each time: the broker may not know yet that the old connection is gone.
            self._connection = channel.connection
            self._name = f"{CANCEL_QUEUE_PREFIX}{self._broker.name}.{uuid4().hex}"
        try:
            # Another channel asks for what may be refused: it costs it.
            async with scratch_channel(channel.connection) as scratch:
                await scratch.queue_declare(
                    self._name, exclusive=True, arguments={"x-queue-type": "classic"}
                )
                # Empties nothing yet: it takes the right that consuming takes.
                await scratch.queue_purge(self._name)
                await scratch.queue_bind(self._name, CANCELLATIONS, "")
        except ChannelAccessRefused as error:
            # Questions are answered all the same: no reason to be not ready, or to go on trying.
            log.warning("cancellations.refused", reason=str(error))
            return
        channel.on_consumer_cancel_callbacks.add(self._cancelled_by_broker)
        await consume(channel, self._name, self._heard, sender=self._broker.name, no_ack=True)

    def _cancelled_by_broker(self, _frame: Basic.Cancel) -> None:
        if self._kept is not None:
            self._kept.renew("the broker deleted the queue for cancellations")

    def _heard(self, message: DeliveredMessage) -> None:
        if len(message.body) > BODY_BYTES_MAX:
            return
        with suppress(ValueError):
            told: Any = orjson.loads(message.body)
            match told:
                case {"reply_to": str(reply_to), "numbers": list(numbers)}:
                    for number in numbers[:NUMBERS_MAX]:
                        if isinstance(number, str):
                            self._left(reply_to, number)
