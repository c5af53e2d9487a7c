"""`GET /assets/{name}`: what the web page is made of."""

from __future__ import annotations

from aiohttp import web

from services.gateway.page import Page
from shared.errors import NotFoundError

PAGE = web.AppKey("page", Page)


async def asset(request: web.Request) -> web.Response:
    """A script, a style, a picture, a font. Its name has a hash of its content."""
    name = request.match_info["name"]
    found = request.app[PAGE].asset(request, name)
    if found is None:
        raise NotFoundError(f"the page has no file {name}")
    return found
