"""`GET /reports/{id}/events`: what becomes of a report, told as it happens (server-sent events)."""

from __future__ import annotations

import asyncio
import math

import structlog
from aiohttp import web

from services.gateway import access, problems
from services.gateway.dependencies import dependencies, representing
from services.gateway.event_stream import HEARTBEAT, MEDIA_TYPE, event_of, opening
from services.gateway.handlers.reports import no_such_report
from services.gateway.report_watch import RETRY_AFTER_SECONDS, Stream, TooManyStreamsError
from shared.database import reports
from shared.database.accounts import Scope
from shared.database.reports import Report

# A caller that takes nothing for so long is not there any more.
WRITE_SECONDS = 30.0
# The last event has a link: nothing on the way may keep it, and nothing may hold it back.
_HEADERS = {
    "Cache-Control": "private, no-store, no-transform",
    "X-Accel-Buffering": "no",
    "Content-Type": MEDIA_TYPE,
}


async def events(request: web.Request) -> web.StreamResponse:
    """Tell each state of the report until its last one, or until the time for a stream is over, or
    the token is revoked.

    204 for a caller that has had the last one: there is nothing to come again for.
    """
    caller = await access.caller(request, Scope.READ)
    parts = dependencies(request)
    store_id, report_id = caller.store.store_id, access.path_id(request)
    try:
        with parts.watch.stream(store_id, report_id, token_id=caller.principal.token_id) as stream:
            async with parts.database.acquire(store_id=store_id) as connection:
                report = await reports.find_report(connection, store_id, report_id)
            if report is None:
                raise no_such_report(request)
            stream.begin(report)
            return await _answer(request, stream)
    except TooManyStreamsError:
        return problems.respond(
            request,
            429,
            "the token has as many event streams open as one may have",
            headers={"Retry-After": str(math.ceil(RETRY_AFTER_SECONDS))},
        )


async def _answer(request: web.Request, stream: Stream) -> web.StreamResponse:
    seen = request.headers.get("Last-Event-ID", "")
    first = event_of(_shown(request, stream.report))
    if first.is_last and first.id == seen:
        return web.Response(status=204)
    # It leaves before the middleware that would put the call's id there.
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    response = web.StreamResponse(headers={**_HEADERS, "X-Request-Id": request_id})
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        await _tell(request, response, stream, seen)
    except ConnectionError:
        pass  # the caller has left
    except TimeoutError:
        # It is there and takes nothing: it would not take an end of the answer either.
        if request.transport is not None:
            request.transport.abort()
    return response


async def _tell(
    request: web.Request, response: web.StreamResponse, stream: Stream, seen: str
) -> None:
    settings = dependencies(request).settings.gateway
    clock = asyncio.get_running_loop().time
    ends_at = clock() + settings.events_seconds_max
    await _write(response, opening())
    while not stream.is_ending and clock() < ends_at:
        if not await access.is_still_let_in(request):
            return
        event = event_of(_shown(request, stream.report))
        if event.id != seen:
            await _write(response, event.text)
            seen = event.id
        if event.is_last:
            return
        seconds = min(settings.events_heartbeat_seconds, ends_at - clock())
        if not await stream.changed(seconds):
            await _write(response, HEARTBEAT)


def _shown(request: web.Request, report: Report | None) -> dict[str, object] | None:
    return None if report is None else representing(request).report(report)


async def _write(response: web.StreamResponse, text: bytes) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(text)
