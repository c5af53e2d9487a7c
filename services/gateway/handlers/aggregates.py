"""`POST /reports/item_count`, `item_sum`, `item_average`, `query`: pass the question on, and the
answer back as it came. The aggregator checks the arguments and renders the body."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aiohttp import web

from services.gateway import access, bodies
from services.gateway.dependencies import dependencies
from shared.contracts.aggregations import AggregateArguments, AggregateQuery
from shared.contracts.analyses import AggregateAnalysis
from shared.database.accounts import Scope
from shared.messaging.delivery import Answer

CSV = "text/csv"
_PASSED_ON = ("ETag", "Server-Timing", "Tallyport-Plan")


async def measure(request: web.Request) -> web.Response:
    """Answer a question about a register's items."""
    body = bodies.parse_object(await bodies.whole(request))
    store_id = await access.store_asked(request, Scope.READ, body.get("register_id"))
    parts = dependencies(request)
    seconds = parts.settings.gateway.query_seconds
    answer = await parts.rpc.call(
        AggregateQuery(
            store_id=store_id,
            measure=request.match_info["measure"][:100],
            arguments=AggregateArguments(**body),
            deadline=datetime.now(UTC) + timedelta(seconds=seconds),
            representation="csv" if _prefers_csv(request) else "json",
            if_none_match=known_etags(request),
        ),
        deadline_seconds=seconds,
    )
    return pass_on(answer)


async def query(request: web.Request) -> web.Response:
    """Answer an analysis: several measures, conditions, an order, a limit, totals, a comparison."""
    body = bodies.parse_object(await bodies.whole(request))
    store_id = await access.store_asked(request, Scope.READ, body.get("register_id"))
    parts = dependencies(request)
    seconds = parts.settings.gateway.query_seconds
    answer = await parts.rpc.call(
        AggregateAnalysis(
            store_id=store_id,
            arguments=body,
            deadline=datetime.now(UTC) + timedelta(seconds=seconds),
            representation="csv" if _prefers_csv(request) else "json",
            if_none_match=known_etags(request),
        ),
        deadline_seconds=seconds,
    )
    return pass_on(answer)


def pass_on(answer: Answer) -> web.Response:
    """The aggregator's answer as it is, with the headers that callers are to see."""
    headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
    headers["Cache-Control"] = "private, no-cache"
    headers["Vary"] = "Accept, Authorization"
    if answer.headers.get("Tallyport-Status") == "304":
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = answer.content_type
    return web.Response(body=answer.body, headers=headers)


def _prefers_csv(request: web.Request) -> bool:
    accepted = [
        part.partition(";")[0].strip() for part in request.headers.get("Accept", "").split(",")
    ]
    return CSV in accepted and "application/json" not in accepted


def known_etags(request: web.Request) -> str | None:
    """`If-None-Match`, unless it cannot be one of ours: it is not sent on as bytes of no text."""
    value = request.headers.get("If-None-Match")
    return value if value is not None and value.isascii() else None
