"""Requests in traces, by OpenTelemetry's conventions for HTTP servers
(https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server), but for `url.path` and
all that a caller has written: paths have ids and keys in them.

Comes in: a request. Goes out: the span around it, with its context or without.
"""

from __future__ import annotations

from aiohttp import web

from shared import tracing
from shared.tracing import HEADER, NOTHING, Kind, Span

# Asked for every few seconds, and of no interest.
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
# Anybody may make up others.
METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})


def answering(request: web.Request) -> Span:
    """Around the request. A context that is none, or is there twice, is as good as none (W3C)."""
    came = request.headers.get(HEADER)
    if came is None and not tracing.is_on():
        return NOTHING
    if came is not None and len(request.headers.getall(HEADER)) > 1:
        came = None
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else None
    if route in _PROBES:
        return NOTHING
    method = request.method if request.method in METHODS else "_OTHER"
    attributes = {"http.request.method": method, "url.scheme": request.scheme}
    if route is not None:
        attributes["http.route"] = route
    name = method if method != "_OTHER" else "HTTP"
    return tracing.begin(f"{name} {route}" if route else name, Kind.SERVER, came, attributes)


def answered(span: Span, status: int) -> None:
    """Errors of the caller's are none of ours (the conventions say so, too)."""
    if span is NOTHING:
        return
    span.note("http.response.status_code", status)
    if status >= 500:
        span.fail(str(status))
