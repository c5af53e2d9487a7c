"""Publishing, acknowledging and consuming without the library's work per message.

In: an open channel of ours. Out: the frames on their way, in one piece, or False when too much
waits for the line already. aiormq's own publish takes a lock, two timeouts and a future for each
message, and its writer is a task; for a transient message without a confirm there is nothing to
wait for. What is written in one turn of the loop leaves in one piece.
"""

from __future__ import annotations

from uuid import uuid4

from aiormq import Channel
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelInvalidStateError
from pamqp.commands import Basic

from shared.messaging import wire
from shared.messaging.express import Heard
from shared.messaging.line import line_of

# That the broker does not take. A few of the longest answers, or many thousands of short ones.
WAITING_BYTES_MAX = 64 * 1024 * 1024


def publish_at_once(
    channel: Channel,
    body: bytes,
    properties: Basic.Properties,
    *,
    routing_key: str,
    exchange: str = "",
    mandatory: bool = False,
) -> bool:
    """Raises ChannelInvalidStateError on a closed channel. Not for a channel with confirms."""
    return _write(
        channel,
        wire.publication(
            channel.number,
            wire.publish_method(exchange, routing_key, mandatory=mandatory),
            properties,
            body,
            part_bytes_max=channel.max_content_size,
        ),
    )


def acknowledge_at_once(channel: AbstractChannel, delivery_tag: int) -> bool:
    """Raises ChannelInvalidStateError on a closed channel."""
    return _write(channel, wire.acknowledgement(channel.number, delivery_tag))


async def consume(
    channel: Channel, queue: str, heard: Heard, *, sender: str, no_ack: bool = False
) -> str:
    """Have `heard` called with every message of the queue, as soon as it is here and in no task.
    The consumer's tag: for `stop_consuming`, or the channel's end."""
    tag = f"{sender}.{uuid4().hex}"

    async def late(message: DeliveredMessage) -> None:
        """What comes after `stop_consuming` began."""
        heard(message)

    line_of(channel).reader.listen(channel, tag, heard)
    await channel.basic_consume(queue, late, consumer_tag=tag, no_ack=no_ack)
    return tag


async def stop_consuming(channel: Channel, tag: str) -> None:
    """What the broker has sent by then is still heard."""
    await channel.basic_cancel(tag)
    line_of(channel).reader.ignore(channel, tag)


def _write(channel: AbstractChannel, frames: bytes) -> bool:
    if channel.is_closed:
        raise ChannelInvalidStateError(f"channel {channel.number} is closed")
    transport = line_of(channel).transport
    if transport.get_write_buffer_size() > WAITING_BYTES_MAX:
        return False
    transport.write(frames)
    return True
