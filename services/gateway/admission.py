"""How many requests are in hand at once; the next one is refused before it costs anything.

Comes in: a request. Goes out: its answer, or 503 with `Retry-After` before its token is looked up
and its body read. A refusal at once is worth more to a caller than an answer that comes too late,
and what is in hand does not get slower and larger with everything that comes on top of it.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Counter, Gauge

from shared.errors import OverloadedError

RETRY_AFTER_SECONDS = 1.0
# They are asked for exactly when it is full.
_OF_THE_OPERATOR = frozenset({"/healthz", "/readyz", "/metrics"})
# Event streams: each lasts as long as its report takes, and `ReportWatch` counts them.
_COUNTED_ELSEWHERE = ("/report", "/events")

_REFUSED = Counter("tallyport_http_refused_total", "Requests refused because of too many in hand.")
_IN_HAND = Gauge("tallyport_http_requests_in_hand", "Requests in hand now.")


class InHand:
    """The requests of one gateway."""

    def __init__(self, requests_max: int) -> None:
        self.requests_max = requests_max
        self.count = 0
        _IN_HAND.set_function(lambda: self.count)


IN_HAND = web.AppKey("in_hand", InHand)


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let it in if there is room."""
    in_hand = request.app[IN_HAND]
    path = request.path
    begin, end = _COUNTED_ELSEWHERE
    if path in _OF_THE_OPERATOR or (path.endswith(end) and path.startswith(begin)):
        return await handler(request)
    if in_hand.count >= in_hand.requests_max:
        _REFUSED.inc()
        raise OverloadedError("too many requests at once", retry_after_seconds=RETRY_AFTER_SECONDS)
    in_hand.count += 1
    try:
        return await handler(request)
    finally:
        in_hand.count -= 1
