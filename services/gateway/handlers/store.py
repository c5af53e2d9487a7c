"""`GET /store`: the store that the caller acts for, and what its token may do there."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from services.gateway import access
from shared.database.accounts import Scope


async def find(request: web.Request) -> web.Response:
    """Name, zone and currency, by which ranges and amounts are read."""
    caller = await access.caller(request, Scope.READ)
    return web.Response(
        body=orjson.dumps(represent(caller)),
        content_type="application/json",
        headers={"Cache-Control": "private, no-store"},
    )


def represent(caller: access.Caller) -> dict[str, Any]:
    """A store as its own callers see it."""
    store = caller.store
    return {
        "id": store.store_id,
        "name": store.name,
        "timezone": store.timezone,
        "currency": store.currency,
        "currency_digits": store.currency_digits,
        "scopes": sorted(scope.value for scope in caller.principal.scopes),
    }
