"""`GET /docs`, `GET /docs/messages`: the documents in a viewer. `GET /assets/{name}`: what the web
page and the viewers are made of."""

from __future__ import annotations

from aiohttp import web

from services.gateway.page import CALLS, MESSAGES, Page
from shared.errors import NotFoundError

PAGE = web.AppKey("page", Page)


async def asset(request: web.Request) -> web.Response:
    """A script, a style, a picture, a font. Its name has a hash of its content."""
    name = request.match_info["name"]
    found = request.app[PAGE].asset(request, name)
    if found is None:
        raise NotFoundError(f"the page has no file {name}")
    return found


async def calls(request: web.Request) -> web.Response:
    """What `/openapi.json` says, to be read and tried out."""
    return request.app[PAGE].show(request, CALLS)


async def messages(request: web.Request) -> web.Response:
    """What `/asyncapi.json` says, to be read."""
    return request.app[PAGE].show(request, MESSAGES)
