"""Looking through the dead-letter queue, and dealing with what is in it.

In: a connected broker, and who is to be picked. Out: dead letters, in the order of the queue; each
of them is sent on, or dropped, or stays where it is.

A look takes everything off the queue without acknowledging it, and gives it back at its end; a
process that dies in the middle gives it back too. A quorum queue counts that as a delivery, and
RabbitMQ 4 drops what was delivered 20 times: the policy of `topology` lifts that limit, and where
it is not in force a letter is put at the end of the queue as a fresh copy, confirmed, before the
limit is near.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from aiormq import Channel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity

from shared.contracts.routes import DEAD, DEAD_QUEUE, QUEUES, QueueType
from shared.errors import ConflictError, NotFoundError, UnavailableError
from shared.messaging.cancellation import stray_cancellation_is
from shared.messaging.connection import Broker
from shared.messaging.dead_letter import (
    DELIVERY_COUNTS,
    REDRIVEN_AT,
    REDRIVEN_BY,
    REDRIVES,
    DeadLetter,
    read_dead_letter,
    readable_headers,
    readable_properties,
)
from shared.messaging.dead_letters import DIED_AT, KIND, QUEUE, REASON, REASON_CODE
from shared.messaging.envelope import PERSISTENT
from shared.messaging.publisher import Publisher
from shared.messaging.topology import Topology
from shared.telemetry import redact

# As many as one consumer may hold (the protocol's own limit is 65,535).
LOOKED_AT_MAX = 60_000
PICKED_BYTES_MAX = 64 * 1024 * 1024
# A queue that says it has more and sends nothing: another desk has them in hand.
SILENCE_SECONDS = 2.0
SETTLE_SECONDS = 10.0
# Half of what RabbitMQ 4 allows where no policy says otherwise.
DELIVERIES_MAX = 10
# What the desk opens declares nothing: to look must not change what is looked at.
NOTHING_DECLARED = Topology((), ())

_LOST = "the connection to the broker was lost"
_OURS = {queue.name: queue for queue in QUEUES}
_WHY_IT_DIED = (REASON_CODE, REASON, QUEUE, DIED_AT, KIND)
_BROKERS_HISTORY = ("x-death", "x-first-death-", "x-last-death-", *DELIVERY_COUNTS)


@dataclass(frozen=True, slots=True)
class Picked:
    """A dead letter that is in our hands."""

    letter: DeadLetter
    message: DeliveredMessage

    @property
    def body(self) -> bytes:
        return bytes(self.message.body)

    @property
    def shown_body(self) -> bytes:
        """The body without what nobody has to read or to keep: tokens, passwords, signatures."""
        return redact(self.body.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    @property
    def headers(self) -> dict[str, Any]:
        return readable_headers(self.message.header.properties)

    @property
    def properties(self) -> dict[str, str]:
        return readable_properties(self.message.header.properties)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found: those that were picked, how many more would have been, had there been
    room, how many were looked at, and how many lie behind those."""

    picked: list[Picked]
    more: int
    looked_at: int
    behind: int


Wanted = Callable[[DeadLetter], bool]


class DeadLetterQueue:
    """Use `async with DeadLetterQueue.open(broker) as queue`; at its end all goes back."""

    def __init__(self, broker: Broker, channel: Channel) -> None:
        self._publisher = Publisher(broker)
        self._channel = channel
        # What was delivered and is not off the queue yet.
        self._held: set[int] = set()
        self._worn: dict[int, DeliveredMessage] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, broker: Broker) -> AsyncIterator[DeadLetterQueue]:
        """Raises UnavailableError when the broker is lost on the way."""
        broker.consuming.require()
        connection = await broker.consuming.wait_open()
        try:
            with stray_cancellation_is(_LOST):
                channel = cast(Channel, await connection.channel(publisher_confirms=False))
                queue = cls(broker, channel)
                try:
                    yield queue
                finally:
                    await queue._give_back()
        except (AMQPError, OSError, RuntimeError) as error:
            raise UnavailableError(f"{_LOST}: {error}") from error

    async def look(self, wanted: Wanted, *, limit: int) -> Look:
        """Go through the queue once, and pick up to `limit` of those that are wanted. What comes
        while we look is not looked at. Raises NotFoundError when there is no such queue."""
        try:
            ready = (await self._channel.queue_declare(DEAD_QUEUE, passive=True)).message_count or 0
        except ChannelNotFoundEntity:
            raise NotFoundError(
                f"the broker has no queue {DEAD_QUEUE}: no service has connected to it yet"
            ) from None
        looked_at_max = min(ready, LOOKED_AT_MAX)
        look = _Looking(wanted, limit, looked_at_max)
        if looked_at_max:
            await self._channel.basic_qos(prefetch_count=looked_at_max)
            tag = (await self._channel.basic_consume(DEAD_QUEUE, look.deliver)).consumer_tag
            await look.wait(self._channel)
            if tag is not None:
                await self._channel.basic_cancel(tag)
        self._held |= look.held
        self._worn |= look.worn
        return Look(look.picked, look.more, look.looked_at, ready - look.looked_at)

    async def redrive(self, picked: Picked, *, by: str) -> None:
        """Send it to the queue that it came from, and only then take it off this one. Dying in
        between leaves it in both: whoever receives it takes it twice.

        Raises ConflictError when it cannot be sent on at all, UnavailableError when the broker does
        not take it; it stays here then.
        """
        exchange, routing_key = _way_back(picked.letter)
        properties = copy(picked.message.header.properties)
        headers = {
            name: value
            for name, value in (properties.headers or {}).items()
            if name not in _WHY_IT_DIED and not name.startswith(_BROKERS_HISTORY)
        }
        headers[REDRIVES] = picked.letter.redrives + 1
        headers[REDRIVEN_BY] = by
        headers[REDRIVEN_AT] = datetime.now(UTC).isoformat()
        properties.headers = headers
        properties.delivery_mode = PERSISTENT
        properties.expiration = None
        properties.user_id = None
        # Its asker was told of the failure long ago. A further one would be an answer to nobody,
        # and the message gone, instead of a dead letter again.
        properties.reply_to = None
        await self._publisher.send(
            exchange=exchange,
            routing_key=routing_key,
            body=picked.message.body,
            properties=properties,
            mandatory=True,
        )
        await self.drop(picked)

    async def drop(self, picked: Picked) -> None:
        """Take it off the queue. Returns when the broker has done so."""
        await self._acknowledge(picked.message)

    async def _renew(self, message: DeliveredMessage) -> None:
        properties = copy(message.header.properties)
        properties.headers = {
            name: value
            for name, value in (properties.headers or {}).items()
            if name not in DELIVERY_COUNTS
        }
        await self._publisher.send(
            exchange=DEAD,
            routing_key=DEAD_QUEUE,
            body=message.body,
            properties=properties,
            mandatory=True,
        )
        await self._acknowledge(message)

    async def _acknowledge(self, message: DeliveredMessage) -> None:
        tag = message.delivery_tag or 0
        self._worn.pop(tag, None)
        self._held.discard(tag)
        try:
            with stray_cancellation_is(_LOST):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await self._channel.basic_ack(tag)
                    # They are not confirmed; what is answered behind one says that it came.
                    await self._channel.queue_declare(DEAD_QUEUE, passive=True)
        except (AMQPError, OSError, RuntimeError) as error:
            raise UnavailableError(f"{_LOST} before it was taken off: {error}") from error

    async def _give_back(self) -> None:
        """Not left to the closing channel: RabbitMQ counts that as a failed delivery, and from 4.3
        on a return that is asked for not."""
        if self._channel.is_closed:
            return
        with suppress(UnavailableError):
            for worn in [*self._worn.values()]:
                await self._renew(worn)
        async with asyncio.timeout(SETTLE_SECONDS):
            # With nothing in hand this would be an error, and the broker's close would cross ours.
            if self._held:
                await self._channel.basic_nack(max(self._held), multiple=True, requeue=True)
            await self._channel.close()


class _Looking:
    """Deliveries on their way through one look."""

    def __init__(self, wanted: Wanted, limit: int, looked_at_max: int) -> None:
        self.picked: list[Picked] = []
        self.worn: dict[int, DeliveredMessage] = {}
        self.more = 0
        self.looked_at = 0
        self.held: set[int] = set()
        self._wanted = wanted
        self._limit = limit
        self._looked_at_max = looked_at_max
        self._bytes = 0
        self._progress = asyncio.Event()

    async def deliver(self, message: DeliveredMessage) -> None:
        self._progress.set()
        if message.delivery_tag:
            self.held.add(message.delivery_tag)
        if self.looked_at >= self._looked_at_max:
            return
        self.looked_at += 1
        letter = read_dead_letter(message)
        there_is_room = self._bytes + letter.body_bytes <= PICKED_BYTES_MAX
        if self._wanted(letter):
            if there_is_room and len(self.picked) < self._limit:
                self.picked.append(Picked(letter, message))
                self._bytes += letter.body_bytes
            else:
                self.more += 1
        if letter.deliveries >= DELIVERIES_MAX and there_is_room and message.delivery_tag:
            self.worn[message.delivery_tag] = message
            self._bytes += letter.body_bytes

    async def wait(self, channel: Channel) -> None:
        """Until all have come, or none comes any more."""
        while self.looked_at < self._looked_at_max:
            if channel.is_closed:
                raise UnavailableError(_LOST)
            self._progress.clear()
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await self._progress.wait()
            except TimeoutError:
                return


def _way_back(letter: DeadLetter) -> tuple[str, str]:
    """Exchange and routing key of the queue that it came from."""
    if letter.queue is None:
        raise ConflictError("it does not say which queue it came from: it can only be purged")
    queue = _OURS.get(letter.queue)
    if queue is None:
        # The default exchange leads to every queue by its name.
        return "", letter.queue
    if queue.type is QueueType.CLASSIC:
        raise ConflictError("it is a question whose asker is gone: it can only be purged")
    return queue.exchange, queue.name
