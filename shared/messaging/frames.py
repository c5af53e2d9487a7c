"""Writing a message to a channel without waiting, and without the library's work per message.

In: an open channel. Out: the frames in the connection's write queue, in one piece, or False when
that queue is full. aiormq's own publish takes a lock, two timeouts and a future for each message;
for a transient message without a confirm there is nothing to wait for.
"""

from __future__ import annotations

import asyncio

from aiormq import Channel
from aiormq.abc import AbstractChannel, ChannelFrame, FrameType
from aiormq.exceptions import ChannelInvalidStateError
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader


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
    size = channel.max_content_size
    return _write(
        channel,
        [
            Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory),
            ContentHeader(properties=properties, body_size=len(body)),
            *(ContentBody(body[at : at + size]) for at in range(0, len(body), size)),
        ],
    )


def acknowledge_at_once(channel: AbstractChannel, delivery_tag: int) -> bool:
    """Raises ChannelInvalidStateError on a closed channel."""
    return _write(channel, [Basic.Ack(delivery_tag=delivery_tag)])


def _write(channel: AbstractChannel, frames: list[FrameType]) -> bool:
    if channel.is_closed:
        raise ChannelInvalidStateError(f"channel {channel.number} is closed")
    frame = ChannelFrame.marshall(channel_number=channel.number, frames=frames)
    try:
        channel.connection.write_queue.put_nowait(frame)
    except asyncio.QueueFull:
        return False
    return True
