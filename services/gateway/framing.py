"""Where one request ends and the next begins: what could be read in two ways is not read at all.

Comes in: messages as aiohttp's parser has made them, before anybody handles one. Goes out: the
same, but for a request whose framing a proxy in front of us may see otherwise (RFC 9112, 6.1, 6.3):
that is an error, or the last of its connection. aiohttp 3.14 refuses most of it itself: both
lengths, two lengths, folded lines, lines that end in LF alone, chunk sizes that are none. It does
not mind a transfer coding that it does not know before `chunked`, nor any in HTTP/1.0, where there
was none; behind `Upgrade` it loses the next request; and it does not tell the reader of a body that
the rest of it makes no sense.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from aiohttp import HttpVersion11, StreamReader, hdrs, web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import _ErrInfo

# Chunk headers, extensions and trailers: a chunk of one byte has five around it.
_OVERHEAD_TIMES_MAX = 16
_OVERHEAD_BYTES_MAX = 64 * 1024
_MALFORMED = "the body is not framed as Transfer-Encoding says"
_IN_1_0 = "there is no Transfer-Encoding in HTTP/1.0"
_UNKNOWN = "of the transfer codings only chunked is implemented"


def judge_heads(messages: deque[tuple[Any, StreamReader]], body: StreamReader | None) -> None:
    """Look at what has just been parsed. `body` is that of the request before, perhaps unfinished:
    an error behind it means that its rest cannot be read."""
    for position, (message, _) in enumerate(messages):
        if isinstance(message, _ErrInfo):
            if body is not None and not body.is_eof() and body.exception() is None:
                body.set_exception(web.RequestPayloadError(_MALFORMED))
            return
        error = _error(message)
        if error is not None:
            _cut(messages, position)
            messages.append((error, EMPTY_PAYLOAD))
            return
        if message.upgrade:  # of a CONNECT as well
            # No other protocol is spoken here: answered as what it is in this one, and that is all.
            _cut(messages, position + 1)
            messages[position] = (message._replace(should_close=True), messages[position][1])
            return


def judge_body(body: StreamReader, wire_bytes: int) -> None:
    """Of a body that is on its way: nothing but what stands around its bytes is none."""
    overhead = wire_bytes - body.total_raw_bytes
    allowed = _OVERHEAD_BYTES_MAX + _OVERHEAD_TIMES_MAX * body.total_raw_bytes
    if overhead > allowed and not body.is_eof() and body.exception() is None:
        body.set_exception(web.RequestPayloadError(_MALFORMED))


def _error(message: Any) -> _ErrInfo | None:
    if not message.chunked and hdrs.TRANSFER_ENCODING not in message.headers:
        return None
    if message.version < HttpVersion11:
        return _ErrInfo(400, BadHttpMessage(_IN_1_0), _IN_1_0)
    # Twice is refused by the parser.
    if message.headers.get(hdrs.TRANSFER_ENCODING, "").strip().lower() != "chunked":
        return _ErrInfo(501, BadHttpMessage(_UNKNOWN), _UNKNOWN)
    return None


def _cut(messages: deque[tuple[Any, StreamReader]], length: int) -> None:
    while len(messages) > length:
        messages.pop()
