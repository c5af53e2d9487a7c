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
from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError

from services.gateway.dependencies import dependencies
from shared.errors import MalformedError, TooLargeError

CHUNK_BYTES = 64 * 1024
FORM = "application/x-www-form-urlencoded"


async def chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it arrives. A caller that goes silent is answered 408."""
    idle_seconds = dependencies(request).settings.gateway.body_idle_seconds
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                chunk = await request.content.readany()
        except TimeoutError:
            raise web.HTTPRequestTimeout(reason=f"no body for {idle_seconds:g} seconds") from None
        except (web.RequestPayloadError, ContentEncodingError):
            raise MalformedError("the body is not encoded as Content-Encoding says") from None
        if not chunk:
            return
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
        raise MalformedError("the body is not encoded as Content-Encoding says") from None


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
