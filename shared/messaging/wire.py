"""A message as the frames that AMQP sends it in, and back; only what every message needs.

Comes in: properties and a body, or the payloads of frames. Goes out: bytes, in one piece, or what
the payloads say. pamqp, which knows all of AMQP, takes ten times as long for it, and every question
and every answer passes here twice. What is rare (headers, times) is left to it.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from pamqp.commands import Basic
from pamqp.header import ContentHeader

METHOD, HEADER, BODY = 1, 2, 3
END = b"\xce"
# type, channel, size of the payload; behind the payload comes END.
FRAME = struct.Struct(">BHI")
FRAME_BYTES = FRAME.size + len(END)
DELIVER = b"\x00\x3c\x00\x3c"

_PUBLISH = b"\x00\x3c\x00\x28\x00\x00"
_ACK = struct.Struct(">HHQB")
_BASIC, _ACK_METHOD = 60, 80
# class id, weight, body size, property flags
_CONTENT = struct.Struct(">HHQH")
_TAG = struct.Struct(">QB")
_DELIVERY_MODE = 0x1000
# All that are short texts, in their order; the delivery mode stands between the second and third.
_FIRST_TEXTS = (("content_type", 0x8000), ("content_encoding", 0x4000))
_TEXTS = (
    *(("correlation_id", 0x0400), ("reply_to", 0x0200), ("expiration", 0x0100)),
    *(("message_id", 0x0080), ("message_type", 0x0020), ("user_id", 0x0010), ("app_id", 0x0008)),
)
_RARE = 0xFFFF & ~sum(flag for _, flag in (*_FIRST_TEXTS, *_TEXTS)) & ~_DELIVERY_MODE


def publication(
    channel: int,
    method: bytes,
    properties: Basic.Properties,
    body: bytes,
    *,
    part_bytes_max: int,
) -> bytes:
    """The frames of a message; `method` is made by `publish_method`."""
    length = len(body)
    head = _content_head(properties, length)
    parts = [
        FRAME.pack(METHOD, channel, len(method)),
        method,
        END + FRAME.pack(HEADER, channel, len(head)),
        head,
        END,
    ]
    for start in range(0, length, part_bytes_max):
        part = body[start : start + part_bytes_max]
        parts += (FRAME.pack(BODY, channel, len(part)), part, END)
    return b"".join(parts)


@lru_cache(maxsize=1_024)
def publish_method(exchange: str, routing_key: str, *, mandatory: bool) -> bytes:
    return b"".join((_PUBLISH, _short(exchange), _short(routing_key), bytes([mandatory])))


def acknowledgement(channel: int, delivery_tag: int) -> bytes:
    """Of this delivery alone."""
    method = _ACK.pack(_BASIC, _ACK_METHOD, delivery_tag, 0)
    return FRAME.pack(METHOD, channel, len(method)) + method + END


def delivery_of(payload: bytes) -> Basic.Deliver:
    """What `basic.deliver` says. Raises ValueError, struct.error."""
    tag, at = _text(payload, len(DELIVER))
    number, redelivered = _TAG.unpack_from(payload, at)
    # Names that strangers chose: what is no UTF-8 in them is not to cost the connection.
    exchange, at = _text(payload, at + _TAG.size, "replace")
    routing_key, _ = _text(payload, at, "replace")
    return Basic.Deliver(tag, number, bool(redelivered & 1), exchange, routing_key)


def header_of(payload: bytes) -> ContentHeader:
    """Raises whatever pamqp raises, and ValueError."""
    _, weight, body_size, flags = _CONTENT.unpack_from(payload)
    if flags & _RARE:
        header = ContentHeader()
        header.unmarshal(payload)
        return header
    properties = Basic.Properties()
    at = _CONTENT.size
    for name, flag in _FIRST_TEXTS:
        if flags & flag:
            value, at = _text(payload, at)
            setattr(properties, name, value)
    if flags & _DELIVERY_MODE:
        properties.delivery_mode = payload[at]
        at += 1
    for name, flag in _TEXTS:
        if flags & flag:
            value, at = _text(payload, at)
            setattr(properties, name, value)
    return ContentHeader(weight, body_size, properties)


def body_size_of(payload: bytes) -> int:
    """Of a header, whatever else is in it."""
    size: int = _CONTENT.unpack_from(payload)[2]
    return size


def _content_head(properties: Basic.Properties, body_size: int) -> bytes:
    if properties.headers or properties.timestamp or properties.priority or properties.cluster_id:
        return ContentHeader(body_size=body_size, properties=properties).marshal()
    flags = 0
    parts = [b""]
    for name, flag in _FIRST_TEXTS:
        value = getattr(properties, name)
        if value is not None:
            flags |= flag
            parts.append(_short(value))
    if properties.delivery_mode is not None:
        flags |= _DELIVERY_MODE
        parts.append(bytes([properties.delivery_mode]))
    for name, flag in _TEXTS:
        value = getattr(properties, name)
        if value is not None:
            flags |= flag
            parts.append(_short(value))
    parts[0] = _CONTENT.pack(_BASIC, 0, body_size, flags)
    return b"".join(parts)


def _short(text: str) -> bytes:
    """Raises ValueError for a text of more than 255 bytes."""
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded


def _text(payload: bytes, at: int, errors: str = "strict") -> tuple[str, int]:
    start = at + 1
    end = start + payload[at]
    if end > len(payload):
        raise ValueError("a text is cut off")
    return payload[start:end].decode(errors=errors), end
