"""`/reports`: ask for a report, look at it, remove it."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from functools import lru_cache
from typing import Any

import orjson
from aiohttp import web

from services.gateway import access, bodies
from services.gateway.dependencies import base_url, dependencies, representing
from services.gateway.problems import HAL
from shared import failpoints
from shared.contracts.reports import ReportArguments
from shared.database import reports
from shared.database.accounts import Scope
from shared.database.reports import Report
from shared.errors import InvalidArgumentError, NotFoundError, TallyportError
from shared.failpoints import Step
from shared.reporting.accept import Idempotency, accept_report
from shared.reporting.request import check_request
from shared.reporting.resource import has_file
from shared.tracing import traceparent

_JSON_TYPES = ("application/json", HAL)
_KEY_CHARACTERS_MAX = 255
REMOVE_SECONDS = 5.0
_METHODS = {
    "GET": "view a report",
    "HEAD": "get just the header response",
    "OPTIONS": "get this explanation",
    "DELETE": "remove the report and its file, or cancel it while it is being built",
    "POST": "ask for a report",
}


async def create(request: web.Request) -> web.Response:
    """`POST /reports`: 201 with the resource; from then on it cannot be lost."""
    arguments, fingerprint = await _arguments(request)
    caller = await access.caller(request, Scope.WRITE)
    parts = dependencies(request)
    new = check_request(
        arguments,
        caller.store,
        user_id=caller.principal.user_id,
        traceparent=traceparent(),
    )
    shown = representing(request)
    accepted = await accept_report(
        parts.database,
        new,
        lambda report: orjson.dumps(shown.report(report)),
        large_rows=parts.settings.reports.large_rows,
        idempotency=_idempotency(request, fingerprint),
    )
    parts.relay.wake()
    headers = {"Location": f"{base_url(request)}/report/{accepted.report_id}"}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    return web.Response(
        status=accepted.status, body=accepted.body, content_type=HAL, headers=headers
    )


async def _arguments(request: web.Request) -> tuple[ReportArguments, bytes]:
    body = await bodies.whole(request)
    if request.content_type == bodies.FORM:
        values = bodies.parse_form(body)
    elif request.content_type in _JSON_TYPES:
        values = bodies.parse_object(body)
    else:
        raise web.HTTPUnsupportedMediaType(
            reason=f"send {_JSON_TYPES[0]} or {bodies.FORM}, not {request.content_type}"
        )
    return ReportArguments(**values), hashlib.sha256(body).digest()


def _idempotency(request: web.Request, fingerprint: bytes) -> Idempotency | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not key.strip() or len(key) > _KEY_CHARACTERS_MAX or not key.isprintable():
        raise InvalidArgumentError(
            f"Idempotency-Key must be 1 to {_KEY_CHARACTERS_MAX} printable characters"
        )
    return Idempotency(key.strip(), fingerprint)


async def find(request: web.Request) -> web.Response:
    """`GET /reports/{id}` and `/report/{id}`: the resource, with a fresh link when it is ready."""
    caller = await access.caller(request, Scope.READ)
    async with dependencies(request).database.acquire(store_id=caller.store.store_id) as connection:
        report = await reports.find_report(
            connection, caller.store.store_id, access.path_id(request)
        )
    if report is None:
        raise no_such_report(request)
    return _resource(request, report)


def _resource(request: web.Request, report: Report) -> web.Response:
    content: dict[str, Any] = representing(request).report(report)
    # A link is good for minutes, and for whoever holds it: nothing on the way may keep it.
    cache = "private, no-store" if has_file(report) else "private, no-cache"
    return web.Response(
        body=orjson.dumps(content), content_type=HAL, headers={"Cache-Control": cache}
    )


async def remove(request: web.Request) -> web.Response:
    """`DELETE`: the report and its file go; a build of it is cancelled."""
    caller = await access.caller(request, Scope.WRITE)
    parts = dependencies(request)
    async with parts.database.acquire(store_id=caller.store.store_id) as connection:
        await failpoints.before(Step.REPORT_DELETE, connection.terminate)
        removed = await reports.delete_report(
            connection, caller.store.store_id, access.path_id(request)
        )
        await failpoints.after(Step.REPORT_DELETE, connection.terminate)
    if removed is None:
        raise no_such_report(request)
    if has_file(removed) and removed.object_key is not None:
        # Now, for links that were given work until it is gone. A store that does not answer is left
        # to the janitor.
        with suppress(TallyportError, TimeoutError):
            async with asyncio.timeout(REMOVE_SECONDS):
                await parts.objects.remove(removed.object_key)
    return web.Response(status=204)


def no_such_report(request: web.Request) -> NotFoundError:
    """The one answer for what does not exist and for what is not the caller's."""
    return NotFoundError(f"there is no report {request.match_info['id']}")


async def options(request: web.Request) -> web.Response:
    """`OPTIONS`: which methods there are, in words."""
    body, allowed = _options(is_one="id" in request.match_info)
    return web.Response(body=body, headers={"Content-Type": HAL, "Allow": allowed})


@lru_cache(maxsize=2)
def _options(*, is_one: bool) -> tuple[bytes, str]:
    methods = ("DELETE", "GET", "HEAD", "OPTIONS") if is_one else ("GET", "HEAD", "OPTIONS", "POST")
    content = {"methods": {method: _METHODS[method] for method in methods}}
    return orjson.dumps(content), ", ".join(methods)
