"""Reading from the broker so that one undecodable message does not cost the connection.

In: the bytes of a connection. Out: the same bytes, but for content headers whose properties the
library cannot decode (text that is not UTF-8, a time beyond the year 9999). It would close the
connection, the message would come again, and so on for ever, on every worker. Such a header is
passed on without its properties and with `UNREADABLE` in a field that AMQP leaves unused; `intake`
then puts the message away like any other that does not parse.
"""

from __future__ import annotations

import asyncio
import struct

from pamqp.header import ContentHeader

UNREADABLE = 1

_HEADER_FRAME = 2
# class id, weight, body size, property flags
_FIXED = struct.Struct(">HHQH")
# Only text and these two can fail: a table of headers, and a timestamp.
_HEADERS_OR_TIMESTAMP = 0x2000 | 0x40


class CarefulReader(asyncio.StreamReader):
    """The library reads a frame as one byte (its type), six (channel and size), and the rest."""

    _frame_type = 0

    async def readexactly(self, n: int) -> bytes:
        data = await super().readexactly(n)
        if n == 1:
            self._frame_type = data[0]
        elif self._frame_type == _HEADER_FRAME and n > _FIXED.size:
            return _readable(data)
        return data


def _readable(payload: bytes) -> bytes:
    """The payload of a header frame (and its end byte), of the same length, without properties if
    they cannot be decoded."""
    class_id, _, body_size, flags = _FIXED.unpack_from(payload)
    if not flags & _HEADERS_OR_TIMESTAMP and payload[_FIXED.size : -1].isascii():
        return payload
    try:
        ContentHeader().unmarshal(payload[:-1])
    except Exception:  # noqa: BLE001 - it is a stranger's bytes: any failure means the same
        return _FIXED.pack(class_id, UNREADABLE, body_size, 0) + payload[_FIXED.size :]
    return payload
