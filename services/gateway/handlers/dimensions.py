"""`/registers/{id}/dimensions`: what a register can be grouped by. The aggregator knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aiohttp import web

from services.gateway import access
from services.gateway.dependencies import dependencies
from services.gateway.handlers.aggregates import known_etags, pass_on
from shared.contracts.dimensions import AggregateDimensions
from shared.database.accounts import Scope
from shared.messaging.codec import validate

_PAGE = ("prefix", "after", "limit")


async def labels(request: web.Request) -> web.Response:
    """`GET /registers/{id}/dimensions`: the labels, and how many values each has."""
    return await _ask(request)


async def values(request: web.Request) -> web.Response:
    """`GET /registers/{id}/dimensions/{label}`: a page of the label's values."""
    page = {name: request.query[name] for name in _PAGE if name in request.query}
    return await _ask(request, label=request.match_info["label"], **page)


async def _ask(request: web.Request, **asked: str) -> web.Response:
    register_id = access.path_id(request)
    if not register_id:
        raise web.HTTPNotFound
    store_id = await access.store_asked(request, Scope.READ, register_id)
    parts = dependencies(request)
    seconds = parts.settings.gateway.query_seconds
    question = validate(
        {
            **asked,
            "store_id": store_id,
            "register_id": register_id,
            "deadline": datetime.now(UTC) + timedelta(seconds=seconds),
            "if_none_match": known_etags(request),
        },
        AggregateDimensions,
    )
    return pass_on(await parts.rpc.call(question, deadline_seconds=seconds))
