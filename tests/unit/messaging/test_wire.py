"""Frames made and read by hand are those of the library, which knows all of AMQP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from aiormq.abc import ChannelFrame
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.messaging import wire

PROPERTIES = [
    Basic.Properties(),
    Basic.Properties(delivery_mode=1),
    Basic.Properties(content_type="application/json", app_id="gateway"),
    Basic.Properties(
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=1,
        correlation_id="17",
        reply_to="tallyport.reply.gateway.4f",
        expiration="10000",
        message_id="m.17",
        message_type="aggregate.query.v1",
        user_id="tallyport",
        app_id="gàteway",
    ),
    Basic.Properties(headers={"ETag": '"a"'}, correlation_id="17"),
    Basic.Properties(timestamp=datetime(2024, 1, 1, tzinfo=UTC), message_type="x"),
    Basic.Properties(priority=3, content_encoding="gzip"),
]


@pytest.mark.parametrize("properties", PROPERTIES)
@pytest.mark.parametrize("body", [b"", b"{}", b"x" * 25], ids=["none", "short", "in parts"])
def test_a_publication_is_written_as_the_library_writes_it(
    properties: Basic.Properties, body: bytes
) -> None:
    method = wire.publish_method("tallyport.commands", "a.queue", mandatory=True)
    expected = ChannelFrame.marshall(
        channel_number=7,
        frames=[
            Basic.Publish(exchange="tallyport.commands", routing_key="a.queue", mandatory=True),
            ContentHeader(properties=properties, body_size=len(body)),
            *(ContentBody(body[at : at + 10]) for at in range(0, len(body), 10)),
        ],
    )
    assert wire.publication(7, method, properties, body, part_bytes_max=10) == expected.payload


@pytest.mark.parametrize("tag", [1, 255, 2**40])
def test_an_acknowledgement_too(tag: int) -> None:
    expected = ChannelFrame.marshall(channel_number=3, frames=[Basic.Ack(delivery_tag=tag)])
    assert wire.acknowledgement(3, tag) == expected.payload


@pytest.mark.parametrize("properties", PROPERTIES)
def test_a_header_is_read_as_it_was_written(properties: Basic.Properties) -> None:
    payload = ContentHeader(properties=properties, body_size=12).marshal()
    read = wire.header_of(payload)
    assert (read.body_size, dict(read.properties)) == (12, dict(properties))
    assert wire.body_size_of(payload) == 12


@pytest.mark.parametrize("redelivered", [False, True])
def test_a_delivery_is_read_as_it_was_written(redelivered: bool) -> None:
    delivery = Basic.Deliver("tag.1", 2**33, redelivered, "tallyport.commands", "a.queue")
    payload = frame.marshal(delivery, 1)[7:-1]
    assert dict(wire.delivery_of(payload)) == dict(delivery)


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="range"):
        wire.publish_method("", "x" * 256, mandatory=False)


def test_a_text_that_is_cut_off_is_refused() -> None:
    payload = ContentHeader(properties=Basic.Properties(app_id="gateway")).marshal()
    with pytest.raises(ValueError, match="cut off"):
        wire.header_of(payload[:-1])
