"""Around every request: errors become answers, one log line an outcome, a trace id bound."""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Histogram

from services.gateway import problems
from shared.errors import TallyportError

_log = structlog.get_logger(__name__)
# What can be echoed in a header without a second look.
_SENT_BACK = re.compile(r"[!-~]{1,64}")
_SECONDS = Histogram(
    "tallyport_http_request_seconds",
    "Time to answer, by route and status.",
    ["method", "route", "status"],
)


@lru_cache(maxsize=4_096)
def _seconds_of(method: str, route: str, status: int) -> Histogram:
    """Looking it up among all is much of what a short request costs."""
    return _SECONDS.labels(method, route, str(status))


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log and measure the outcome."""
    started = time.perf_counter()
    request_id = request.headers.get("X-Request-Id", "")
    if not _SENT_BACK.fullmatch(request_id):
        request_id = os.urandom(16).hex()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    status = 499  # the caller hung up, unless something is answered
    try:
        response = await handler(request)
        status = response.status
        if not response.prepared:
            response.headers["X-Request-Id"] = request_id
        return response
    finally:
        seconds = time.perf_counter() - started
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unmatched"
        _seconds_of(request.method, route, status).observe(seconds)
        level = _log.warning if status >= 500 else _log.debug
        level(
            "http.answered",
            method=request.method,
            path=request.path,
            status=status,
            milliseconds=round(seconds * 1000, 1),
        )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what is raised into the documented answers."""
    try:
        return await handler(request)
    except TallyportError as error:
        return problems.from_error(request, error)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return problems.respond(
            request,
            405,
            f"{request.method} is not allowed here, only {allowed}",
            headers={"Allow": allowed},
        )
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problems.respond(request, error.status, error.reason)
    except Exception:  # noqa: BLE001 - the edge: loud inside, mute outside
        _log.exception("http.crashed", method=request.method, path=request.path)
        return problems.respond(request, 500, problems.UNFORESEEN)
