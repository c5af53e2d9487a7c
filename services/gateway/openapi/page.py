"""`GET /openapi.json`: the document, for the address that the caller used."""

from __future__ import annotations

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from services.gateway.dependencies import base_url
from services.gateway.openapi.document import document


def openapi_page() -> Handler:
    """The handler. The document is made once, when the routes are."""
    made = document()

    async def page(request: web.Request) -> web.Response:
        shown = {**made, "servers": [{"url": base_url(request)}]}
        return web.Response(body=orjson.dumps(shown), content_type="application/json")

    return page
