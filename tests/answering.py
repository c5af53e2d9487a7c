"""A service that answers as a test wants, on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """Answers every request with `respond` and remembers what was asked."""

    def __init__(self) -> None:
        self.respond: Respond = self.no_content
        self.requests: list[web.Request] = []
        self.url = ""

    async def no_content(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=204)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.respond(request)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    answering = Service()
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", answering.handle)
    async with TestServer(app) as server:
        answering.url = str(server.make_url("")).rstrip("/")
        yield answering
