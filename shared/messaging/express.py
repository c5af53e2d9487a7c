"""Past the library: deliveries are handed over as soon as their bytes are here.

Comes in: the bytes of a connection, and who consumes on which of its channels. Goes out: each
delivery, whole, to its consumer; all other bytes, untouched, to the library. It would wait for each
of a message's frames three times, put each into a queue and start a task for the whole, which is
more work than everything else that is done about a question on its way.

What a channel is otherwise told (that it is closed, that its consumer is cancelled) comes by the
library, as ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import SupportsIndex

import structlog
from aiormq import Channel
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.messaging import wire
from shared.messaging.careful_reader import UNREADABLE, CarefulReader

Heard = Callable[[DeliveredMessage], None]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Consumer:
    channel: Channel
    heard: Heard


@dataclass(slots=True)
class _Arriving:
    """A delivery of which a part is still to come."""

    consumer: _Consumer
    delivery: Basic.Deliver
    header: ContentHeader | None = None
    parts: list[bytes] = field(default_factory=list)
    missing: int = 0


class ExpressReader(CarefulReader):
    """What the library reads from; deliveries to those who `listen` do not get that far."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._clock = loop.time
        self.heard_at = loop.time()
        self._consumers: dict[int, dict[bytes, _Consumer]] = {}
        self._arriving: dict[int, _Arriving] = {}
        # The beginning of a frame, and how much more it takes to know, or to have, all of it.
        self._begun: list[bytes] = []
        self._missing = 0

    def listen(self, channel: Channel, tag: str, heard: Heard) -> None:
        """`heard` is called with what is delivered to this consumer, until the channel ends."""
        consumers = self._consumers.setdefault(channel.number, {})
        consumers[tag.encode()] = _Consumer(channel, heard)
        channel.closing.add_done_callback(lambda _: self.ignore(channel, tag))

    def ignore(self, channel: Channel, tag: str) -> None:
        """Leave what still comes for it to the library. Twice does no harm."""
        consumers = self._consumers.get(channel.number, {})
        consumers.pop(tag.encode(), None)
        if not consumers:
            self._consumers.pop(channel.number, None)

    def feed_data(self, brought: Iterable[SupportsIndex]) -> None:
        """Called with the bytes that the line brought, cut anywhere."""
        self.heard_at = self._clock()
        data = bytes(brought)
        if self._begun:
            self._begun.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(self._begun)
            self._begun.clear()
        at = passed = 0
        length = len(data)
        needed = wire.FRAME.size
        while length - at >= needed:
            kind, number, size = wire.FRAME.unpack_from(data, at)
            end = at + size + wire.FRAME_BYTES
            if end > length:
                needed = end - at
                break
            if number in self._consumers and self._take(kind, number, data, at, end):
                if passed < at:
                    super().feed_data(data[passed:at])
                passed = end
            at = end
        if passed < at:
            super().feed_data(data[passed:at])
        if at < length:
            self._begun.append(data[at:])
            self._missing = needed - (length - at)

    def feed_eof(self) -> None:
        """What is left is no frame; the library is to see it and to say so."""
        if self._begun:
            super().feed_data(b"".join(self._begun))
            self._begun.clear()
        super().feed_eof()

    def _take(self, kind: int, number: int, data: bytes, at: int, end: int) -> bool:
        """Whether the frame is part of a delivery to one who listens."""
        start, stop = at + wire.FRAME.size, end - len(wire.END)
        if kind == wire.METHOD:
            self._arriving.pop(number, None)
            if not data.startswith(wire.DELIVER, start):
                return False
            name = start + len(wire.DELIVER)
            tag = data[name + 1 : name + 1 + data[name]]
            consumer = self._consumers[number].get(tag)
            if consumer is None:
                return False
            delivery = wire.delivery_of(data[start:stop])
            self._arriving[number] = _Arriving(consumer, delivery)
            return True
        arriving = self._arriving.get(number)
        if arriving is None:
            return False
        if kind == wire.HEADER:
            payload = data[start:stop]
            arriving.header = _header_of(payload)
            arriving.missing = wire.body_size_of(payload)
        else:
            arriving.parts.append(data[start:stop])
            arriving.missing -= stop - start
        if arriving.missing <= 0:
            del self._arriving[number]
            _hand_over(arriving)
        return True


def _header_of(payload: bytes) -> ContentHeader:
    try:
        return wire.header_of(payload)
    except Exception:  # noqa: BLE001 - it is a stranger's bytes: any failure means the same
        return ContentHeader(UNREADABLE, wire.body_size_of(payload))


def _hand_over(arrived: _Arriving) -> None:
    if arrived.header is None:
        return
    parts = arrived.parts
    message = DeliveredMessage(
        delivery=arrived.delivery,
        header=arrived.header,
        body=parts[0] if len(parts) == 1 else b"".join(parts),
        channel=arrived.consumer.channel,
    )
    try:
        arrived.consumer.heard(message)
    except Exception:
        # As the library does it: the connection is not to be lost for it.
        log.exception("message.unheard", queue=arrived.delivery.routing_key)
