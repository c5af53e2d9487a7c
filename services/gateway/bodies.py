"""Read a request's body: whole when it is small, and never for longer than a limit.

Comes in: a request. Goes out: bytes or a parsed JSON object. A body that is too long is 413, one
that does not come is 408, one that is no JSON is 400.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import jiter
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http_exceptions import ContentEncodingError

from services.gateway.dependencies import dependencies
from shared.errors import MalformedError, TooLargeError

CHUNK_BYTES = 64 * 1024
# Records compress 5 to 50 times; deflate can do a thousand.
AIR_TIMES_MAX = 200
AIR_BYTES_MAX = 8 * 1024 * 1024
_NOT_AS_SAID = "the body is not encoded as Content-Encoding or Transfer-Encoding says"
FORM = "application/x-www-form-urlencoded"


async def expected(request: web.Request) -> None:
    """What aiohttp calls for a request with `Expect`, before anybody has looked at its token: no
    `100 Continue` yet, see `chunks`."""
    if request.headers[hdrs.EXPECT].lower() != "100-continue":
        raise web.HTTPExpectationFailed(text="the only expectation that is met is 100-continue")


async def _tell_to_send(request: web.Request) -> None:
    if hdrs.EXPECT not in request.headers or request.version < HttpVersion11:
        return
    if not (request.content.is_eof() or request.content.total_bytes):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # of the answer, which is still to come


async def chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it arrives, decompressed. A caller that goes silent, or sends so slowly that it
    means to hold us up, is answered 408; one whose body is nothing but air, 413. Only the time
    that we wait for the caller counts, not the time that it waits for us. One that waits to be
    told so (`Expect: 100-continue`) is told to send it."""
    settings = dependencies(request).settings.gateway
    content = request.content
    await _tell_to_send(request)
    loop = asyncio.get_running_loop()
    waited, received = 0.0, 0
    while True:
        began = loop.time()
        try:
            async with asyncio.timeout(settings.body_idle_seconds):
                chunk = await content.readany()
        except TimeoutError:
            raise web.HTTPRequestTimeout(
                reason=f"no body for {settings.body_idle_seconds:g} seconds"
            ) from None
        except (web.RequestPayloadError, ContentEncodingError):
            raise MalformedError(_NOT_AS_SAID) from None
        if not chunk:
            return
        waited += loop.time() - began
        received += len(chunk)
        sent = content.total_compressed_bytes or received
        if waited > settings.body_idle_seconds + sent / settings.body_bytes_per_second_min:
            raise web.HTTPRequestTimeout(
                reason=f"the body brings under {settings.body_bytes_per_second_min} bytes a second"
            )
        if received > AIR_BYTES_MAX and received > AIR_TIMES_MAX * sent:
            raise TooLargeError(f"the body unpacks to over {AIR_TIMES_MAX} times its size")
        for start in range(0, len(chunk), CHUNK_BYTES):
            yield chunk[start : start + CHUNK_BYTES]


async def whole(request: web.Request) -> bytes:
    """The whole body. Raises `TooLargeError` over `body_bytes_max`."""
    limit = dependencies(request).settings.gateway.body_bytes_max
    if (request.content_length or 0) > limit:
        raise TooLargeError(f"the body is over {limit} bytes")
    if request.content.is_eof():
        # It came with the head, as most do: there is nothing to wait for.
        at_once = _read_at_once(request)
        if len(at_once) > limit:
            raise TooLargeError(f"the body is over {limit} bytes")
        return at_once
    body = bytearray()
    async for chunk in chunks(request):
        body += chunk
        if len(body) > limit:
            raise TooLargeError(f"the body is over {limit} bytes")
    return bytes(body)


def _read_at_once(request: web.Request) -> bytes:
    try:
        return request.content.read_nowait()
    except (web.RequestPayloadError, ContentEncodingError):
        raise MalformedError(_NOT_AS_SAID) from None


def parse_json(body: bytes) -> Any:
    """Parsed, with numbers as exact decimals. Raises `MalformedError`."""
    try:
        return jiter.from_json(body, float_mode="decimal", allow_inf_nan=False)
    except ValueError as error:
        raise MalformedError(f"the body is not JSON: {json_reason(error)}") from None


def json_reason(error: Exception) -> str:
    """What a JSON parser found wrong, in words for the caller: not those about its own insides."""
    text = str(error)
    if isinstance(error, ArithmeticError) or "InvalidOperation" in text or "int_max_str" in text:
        return "a number in it is too long or too large"
    return text


def parse_object(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises `MalformedError` for anything else."""
    value = parse_json(body)
    if not isinstance(value, dict):
        raise MalformedError("the body must be a JSON object")
    return value


def parse_form(body: bytes) -> dict[str, Any]:
    """A form-encoded body; a name that comes twice keeps its last value."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError as error:
        raise MalformedError(f"the form cannot be read: {error}") from None
