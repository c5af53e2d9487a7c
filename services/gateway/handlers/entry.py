"""Where a client starts: the root with its links, the pages of the relations, a user."""

from __future__ import annotations

from html import escape

import orjson
from aiohttp import web

from services.gateway import access
from services.gateway.dependencies import base_url, dependencies, representing
from services.gateway.handlers.page_files import PAGE
from services.gateway.page import wants_page
from services.gateway.problems import HAL
from shared.database import accounts
from shared.database.accounts import Scope
from shared.errors import NotFoundError

RELATIONS = {
    "reports": "The store's reports. POST asks for one.",
    "report": "A report: what was asked for, how far it is, and, once ready, its file.",
    "download_url": (
        "A signed link to the report's file. It works for minutes; every GET of the report makes "
        "a new one. It is there only while the file is."
    ),
    "events": (
        "What becomes of a report, told as it happens: a stream of server-sent events (progress, "
        "then ready, failed or removed), each with the report as it is then. It is there while "
        "there is something to wait for."
    ),
    "store": "The store that the caller acts for: its name, zone and currency.",
    "user": "The user who asked for the report.",
    "errors": "What is wrong with a request, one entry for each thing.",
    "registers": "The store's ledgers.",
    "items": "The lines of a ledger; POST appends to it.",
    "item_count": "POST: how many items, grouped by period and by columns.",
    "item_sum": "POST: the sum of the items' amounts, grouped likewise.",
    "item_average": "POST: the average of the items' amounts, grouped likewise.",
    "query": (
        "POST: several measures at once, with filters, an order, the rest gathered as other, "
        "totals, and the period before beside it."
    ),
}


async def root(request: web.Request) -> web.Response:
    """`GET /`: the page for a browser; for a client links to everything, so that it needs no other
    path."""
    if wants_page(request.headers.get("Accept", "")):
        return request.app[PAGE].index(request)
    base = base_url(request)
    links = {
        "curies": representing(request).curies(),
        "self": {"href": f"{base}/", "title": "Tallyport"},
        "fx:reports": {"href": f"{base}/reports", "title": "Reports"},
        "fx:registers": {"href": f"{base}/registers", "title": "Registers"},
        "fx:store": {"href": f"{base}/store", "title": "The store of the caller"},
        "fx:item_count": {"href": f"{base}/reports/item_count", "title": "Count of items"},
        "fx:item_sum": {"href": f"{base}/reports/item_sum", "title": "Sum of items"},
        "fx:item_average": {"href": f"{base}/reports/item_average", "title": "Average of items"},
        "fx:query": {"href": f"{base}/reports/query", "title": "Several measures at once"},
    }
    return web.Response(
        body=orjson.dumps({"_links": links}), content_type=HAL, headers={"Vary": "Accept"}
    )


async def relation(request: web.Request) -> web.Response:
    """`GET /rels/{rel}`: what a relation means, for people."""
    name = request.match_info["rel"]
    if name not in RELATIONS:
        raise NotFoundError(f"there is no relation {name}")
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>fx:{escape(name)}</title>'
        f"<h1>fx:{escape(name)}</h1><p>{escape(RELATIONS[name])}</p></html>"
    )
    return web.Response(text=page, content_type="text/html")


async def user(request: web.Request) -> web.Response:
    """`GET /users/{id}`: a user who shares a store with the caller; any user, for a service token
    that names no store."""
    store_id = access.store_said(request, access.demand(request, Scope.READ))
    user_id = access.path_id(request)
    async with dependencies(request).database.acquire(store_id=store_id) as connection:
        found = await accounts.find_user(connection, user_id, store_id=store_id)
    if found is None:
        raise NotFoundError(f"there is no user {user_id}")
    content = {
        "_links": {
            "curies": representing(request).curies(),
            "self": {"href": f"{base_url(request)}/users/{user_id}", "title": "This User"},
        },
        "id": found.user_id,
        "email": found.email,
        "name": found.name,
    }
    return web.Response(body=orjson.dumps(content), content_type=HAL)
