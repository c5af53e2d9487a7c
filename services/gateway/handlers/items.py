"""`GET /registers/{id}/items`: what is in a register, a page at a time or all of it as CSV.

Pages are JSON. The CSV is streamed from one snapshot while the caller takes it; a caller that
stops taking is cut off, and so is what lasts too long, because a snapshot keeps the database from
cleaning up behind it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import urlencode

import asyncpg
import orjson
import structlog
from aiohttp import web
from pydantic import Field

from services.gateway import access, item_listing
from services.gateway.dependencies import base_url, dependencies
from services.gateway.handlers.registers import find_register, whole_number
from services.gateway.item_listing import Place, Wanted
from shared.contracts.message import Contract, Label, MetaValue, Moment
from shared.database.accounts import Scope
from shared.database.registers import Register
from shared.errors import InvalidArgumentError, OverloadedError, TallyportError
from shared.messaging.codec import validate

PAGE_DEFAULT = 100
PAGE_MAX = 1_000
CSV = "text/csv"
CSV_CONTENT_TYPE = "text/csv; charset=utf-8; header=present"
# One for each stream that may run at once.
STREAMS = web.AppKey("item_streams", asyncio.Semaphore)
RETRY_SECONDS = 5.0
VALUES_MAX = 1_000
_META = re.compile(r"meta\[(.*)\]", re.DOTALL)

_log = structlog.get_logger(__name__)


class _Asked(Contract):
    """The query of a request."""

    start_at: Moment = item_listing.FIRST
    end_at: Moment = item_listing.LAST
    meta: dict[Label, Annotated[list[MetaValue], Field(max_length=VALUES_MAX)]] = Field(
        default_factory=dict
    )


async def listing(request: web.Request) -> web.StreamResponse:
    """A page of items, or a stream of all of them."""
    register_id = access.path_id(request)
    caller = await access.caller(request, Scope.READ, register_id=register_id)
    register = await find_register(request, caller, register_id)
    wanted = _wanted(request)
    if _wants_csv(request):
        return await _stream(request, register, wanted)
    limit = whole_number(request, "limit", PAGE_DEFAULT, least=1, most=PAGE_MAX)
    after = request.query.get("after")
    place = None if after is None else Place.read(after)
    async with dependencies(request).database.acquire(store_id=register.store_id) as connection:
        items, next_place = await item_listing.page(
            connection, register, wanted, place, limit=limit
        )
    content: dict[str, Any] = {"items": items, "limit": limit, "next": None}
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}
    if next_place is not None:
        content["next"] = next_place.text()
        headers["Link"] = f'<{_next_url(request, next_place)}>; rel="next"'
    return web.Response(
        body=orjson.dumps(content), content_type="application/json", headers=headers
    )


def _wanted(request: web.Request) -> Wanted:
    values: dict[str, list[str]] = {}
    for name, value in request.query.items():
        if match := _META.fullmatch(name):
            values.setdefault(match[1], []).append(value)
    given = {name: request.query[name] for name in ("start_at", "end_at") if name in request.query}
    asked = validate({**given, "meta": values}, _Asked)
    if asked.start_at > asked.end_at:
        raise InvalidArgumentError("start_at must not be later than end_at")
    return Wanted(asked.start_at, asked.end_at, asked.meta)


def _next_url(request: web.Request, place: Place) -> str:
    query = [(name, value) for name, value in request.query.items() if name != "after"]
    return f"{base_url(request)}{request.path}?{urlencode([*query, ('after', place.text())])}"


def _wants_csv(request: web.Request) -> bool:
    accepted = [
        part.partition(";")[0].strip() for part in request.headers.get("Accept", "").split(",")
    ]
    return CSV in accepted and "application/json" not in accepted


async def _stream(request: web.Request, register: Register, wanted: Wanted) -> web.StreamResponse:
    # What is wrong with the question is said before the first byte of an answer.
    wanted.arguments(register, None)
    settings = dependencies(request).settings.gateway
    response = web.StreamResponse(
        headers={
            "Content-Type": CSV_CONTENT_TYPE,
            "Content-Disposition": f'attachment; filename="items_{register.register_id}.csv"',
            "Cache-Control": "private, no-cache",
            "Vary": "Accept, Authorization",
            "X-Request-Id": structlog.contextvars.get_contextvars().get("request_id", ""),
        }
    )
    if request.method == "HEAD":
        return response

    async def write(data: bytes) -> None:
        async with asyncio.timeout(settings.body_idle_seconds):
            await response.write(data)

    seconds = settings.item_stream_seconds
    try:
        async with (
            _turn(request.config_dict[STREAMS]),
            # In no transaction: it is one statement, and PostgreSQL is done with it long before a
            # slow caller has read what lies in between.
            dependencies(request).database.acquire(store_id=register.store_id) as connection,
            asyncio.timeout(seconds),
        ):
            await response.prepare(request)
            await item_listing.copy_csv(connection, register, wanted, write, seconds_max=seconds)
            await response.write_eof()
    except (TimeoutError, TallyportError, asyncpg.PostgresError, OSError) as error:
        if not response.prepared:
            raise
        # The status is long gone. A body without its end is what tells the caller.
        _log.warning("items.cut_off", reason=str(error) or type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
    return response


@asynccontextmanager
async def _turn(streams: asyncio.Semaphore) -> AsyncIterator[None]:
    if streams.locked():
        raise OverloadedError(
            "too many streams of items at once", retry_after_seconds=RETRY_SECONDS
        )
    async with streams:
        yield
