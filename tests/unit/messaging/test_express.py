"""Deliveries to who listens come at once; everything else reaches the library, byte for byte."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from aiormq import Channel
from aiormq.abc import ChannelFrame, DeliveredMessage
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from shared.messaging.careful_reader import UNREADABLE
from shared.messaging.express import ExpressReader, Heard

LISTENER, STRANGER = "ours.1", "theirs.1"


class _Channel:
    """As much of a channel as a listener needs."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()


def _channel(number: int) -> Channel:
    return cast(Channel, _Channel(number))


def _delivery(
    number: int, tag: str, *bodies: bytes, routing_key: str = "q", app_id: str = "x"
) -> bytes:
    properties = Basic.Properties(app_id=app_id)
    return ChannelFrame.marshall(
        channel_number=number,
        frames=[
            Basic.Deliver(tag, 1, False, "", routing_key),
            ContentHeader(properties=properties, body_size=sum(map(len, bodies))),
            *map(ContentBody, bodies),
        ],
    ).payload


def _alone(number: int, frame: Basic.CancelOk | Heartbeat) -> bytes:
    return ChannelFrame.marshall(channel_number=number, frames=[frame]).payload


async def _rest(reader: ExpressReader) -> bytes:
    reader.feed_eof()
    return await reader.read()


def _listening(number: int, heard: Heard) -> ExpressReader:
    reader = ExpressReader(asyncio.get_running_loop())
    reader.listen(_channel(number), LISTENER, heard)
    return reader


@pytest.mark.parametrize("cut", [1, 2, 7, 8, 50, 10_000])
async def test_each_way_of_cutting_gives_the_same(cut: int) -> None:
    heard: list[DeliveredMessage] = []
    reader = _listening(2, heard.append)
    others = [
        _alone(0, Heartbeat()),
        _delivery(2, STRANGER, b"theirs"),
        _delivery(3, LISTENER, b"on another channel"),
        _alone(2, Basic.CancelOk(LISTENER)),
    ]
    stream = b"".join(
        (
            others[0],
            _delivery(2, LISTENER, b"first, ", b"in two parts"),
            others[1],
            _delivery(2, LISTENER),
            others[2],
            _delivery(2, LISTENER, b"last"),
            others[3],
        )
    )
    for start in range(0, len(stream), cut):
        reader.feed_data(stream[start : start + cut])
    assert [message.body for message in heard] == [b"first, in two parts", b"", b"last"]
    assert {message.routing_key for message in heard} == {"q"}
    assert await _rest(reader) == b"".join(others)


async def test_frames_of_other_channels_may_come_in_between() -> None:
    heard: list[DeliveredMessage] = []
    reader = _listening(2, heard.append)
    message, other = _delivery(2, LISTENER, b"body"), _alone(1, Basic.CancelOk("x"))
    middle = len(message) - len(b"body") - 8
    reader.feed_data(message[:middle] + other + message[middle:])
    assert [one.body for one in heard] == [b"body"]
    assert await _rest(reader) == other


async def test_nothing_is_heard_once_the_channel_ends() -> None:
    heard: list[DeliveredMessage] = []
    reader = ExpressReader(asyncio.get_running_loop())
    channel = _channel(2)
    reader.listen(channel, LISTENER, heard.append)
    channel.closing.set_result(None)
    await asyncio.sleep(0)
    message = _delivery(2, LISTENER, b"body")
    reader.feed_data(message)
    assert (heard, await _rest(reader)) == ([], message)


async def test_properties_that_cannot_be_decoded_are_marked() -> None:
    heard: list[DeliveredMessage] = []
    reader = _listening(2, heard.append)
    reader.feed_data(_delivery(2, LISTENER, b"body", app_id="AB").replace(b"AB", b"\xff\xfe"))
    reader.feed_data(_delivery(2, LISTENER, b"key", routing_key="AB").replace(b"AB", b"\xff\xfe"))
    assert [(one.header.weight, one.body) for one in heard] == [(UNREADABLE, b"body"), (0, b"key")]


async def test_a_listener_that_fails_costs_nobody_else_his_message() -> None:
    heard: list[bytes] = []

    def hear(message: DeliveredMessage) -> None:
        heard.append(message.body)
        if message.body == b"bad":
            raise ValueError

    reader = _listening(2, hear)
    reader.feed_data(_delivery(2, LISTENER, b"bad") + _delivery(2, LISTENER, b"good"))
    assert heard == [b"bad", b"good"]


async def test_what_is_no_frame_at_the_end_is_for_the_library() -> None:
    reader = _listening(2, lambda _: None)
    reader.feed_data(b"AMQP\x00\x00\x09\x01")
    assert await _rest(reader) == b"AMQP\x00\x00\x09\x01"
