"""Around every request: errors become answers, one log line an outcome, its trace and an id bound.

It is passed for every request, however short, so it is one function and not several around one
another, and leaves out what nobody looks at.
"""

from __future__ import annotations

import random
import re
import time
from functools import lru_cache

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Counter, Histogram

from services.gateway import problems
from services.gateway.spans import METHODS, answered, answering
from shared.errors import TallyportError

_log = structlog.get_logger(__name__)
# What can be echoed in a header without a second look.
_SENT_BACK = re.compile(r"[!-~]{1,64}")
_SECONDS = Histogram(
    "tallyport_http_request_seconds",
    "Time to answer, by route and status.",
    ["method", "route", "status"],
)
_REFUSALS = Counter(
    "tallyport_http_refusals_total", "Requests that were not answered as asked, and why.", ["code"]
)


@lru_cache(maxsize=4_096)
def _seconds_of(method: str, route: str, status: int) -> Histogram:
    """Looking it up among all is much of what a short request costs."""
    method = method if method in METHODS else "other"
    return _SECONDS.labels(method, route, str(status))


@lru_cache(maxsize=1)
def _teller() -> structlog.typing.FilteringBoundLogger:
    """The logger itself: to find it behind `_log` takes longer than to pass over what is not
    logged."""
    logger: structlog.typing.FilteringBoundLogger = _log.bind()
    return logger


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer, whatever is raised; log and measure the outcome."""
    started = time.perf_counter()
    request_id = request.headers.get("X-Request-Id", "")
    if not _SENT_BACK.fullmatch(request_id):
        # To be told apart, not to be kept secret: no reason to ask the kernel.
        request_id = f"{random.getrandbits(128):032x}"
    structlog.contextvars.bind_contextvars(request_id=request_id)
    status = 499  # the caller hung up, unless something is answered
    with answering(request) as span:
        try:
            try:
                response = await handler(request)
            except Exception as error:  # noqa: BLE001 - the edge: loud inside, mute outside
                _REFUSALS.labels(_code_of(error)).inc()
                response = _answer_to(request, error)
            status = response.status
            if not response.prepared:
                response.headers["X-Request-Id"] = request_id
            return response
        finally:
            answered(span, status)
            seconds = time.perf_counter() - started
            resource = request.match_info.route.resource
            route = resource.canonical if resource is not None else "unmatched"
            _seconds_of(request.method, route, status).observe(seconds)
            teller = _teller()
            (teller.warning if status >= 500 else teller.debug)(
                "http.answered",
                method=request.method,
                path=request.path,
                status=status,
                milliseconds=round(seconds * 1000, 1),
            )


def _code_of(error: Exception) -> str:
    """One of our codes, or the status of what has none."""
    if isinstance(error, TallyportError):
        return error.code.value
    return str(error.status) if isinstance(error, web.HTTPException) else "unforeseen"


def _answer_to(request: web.Request, error: Exception) -> web.StreamResponse:
    """What is raised as the documented answer. Raises what is none: a redirection."""
    if isinstance(error, TallyportError):
        return problems.from_error(request, error)
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return problems.respond(
            request,
            405,
            f"{request.method} is not allowed here, only {allowed}",
            headers={"Allow": allowed},
        )
    if isinstance(error, web.HTTPException):
        if error.status < 400:
            raise error
        return problems.respond(request, error.status, error.reason)
    _log.error("http.crashed", method=request.method, path=request.path, exc_info=error)
    return problems.respond(request, 500, problems.UNFORESEEN)
