"""Where a client starts: the root with its links, the pages of the relations, a user."""

from __future__ import annotations

import orjson
from aiohttp import web

from services.gateway import access, page
from services.gateway.dependencies import base_url, dependencies, representing
from services.gateway.handlers.page_files import PAGE
from services.gateway.page import HEADERS_OF_PLAIN_PAGES
from services.gateway.problems import HAL
from services.gateway.relations import page_of
from shared.database import accounts
from shared.database.accounts import Scope
from shared.errors import NotFoundError


async def root(request: web.Request) -> web.Response:
    """`GET /`: the page for a browser; for a client links to everything, so that it needs no other
    path."""
    if page.wants_page(request.headers.get("Accept", "")):
        return request.app[PAGE].show(request, page.PAGE, vary="Accept")
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
    text = page_of(name)
    if text is None:
        raise NotFoundError(f"there is no relation {name}")
    return web.Response(text=text, content_type="text/html", headers=HEADERS_OF_PLAIN_PAGES)


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
