"""Bodies that are streamed, and what goes along with a call."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tallyport_client import AsyncClient, MalformedError, RefusedError, Stream
from tests.answering import Service


async def test_a_stream_begins_anew_when_it_is_sent_again(
    client: AsyncClient, service: Service
) -> None:
    asked: list[int] = []

    async def respond(request: web.Request) -> web.StreamResponse:
        asked.append(len(await request.read()))
        if len(asked) == 1:
            return web.json_response({}, status=503, headers={"Retry-After": "0"})
        return web.json_response({})

    service.respond = respond

    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"def"

    await client.request("POST", "/items", stream=Stream("text/csv", chunks), repeatable=True)
    assert asked == [6, 6]
    assert service.requests[0].content_type == "text/csv"


class BrokenError(Exception):
    pass


async def test_a_file_that_breaks_on_the_way_is_told_as_such(
    client: AsyncClient, service: Service
) -> None:
    async def read_on(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=204)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        raise BrokenError("it is damaged")

    service.respond = read_on
    with pytest.raises(BrokenError, match="it is damaged"):
        await client.request("POST", "/items", stream=Stream("text/csv", chunks))


async def test_a_refusal_in_the_middle_of_an_upload_is_heard(
    client: AsyncClient, service: Service
) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        await request.content.readany()
        return web.json_response({"error": "row 3 is not CSV"}, status=400)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 65_536

    service.respond = refuse
    with pytest.raises(MalformedError, match="row 3 is not CSV"):
        await client.request("POST", "/items", stream=Stream("text/csv", chunks))


async def test_a_store_is_named_for_a_service_token(service: Service) -> None:
    async with AsyncClient(service.url, "secret", store_id=7) as client:
        await client.request("DELETE", "/x")
    assert service.requests[0].headers["Tallyport-Store"] == "7"
    assert service.requests[0].headers["Authorization"] == "Bearer secret"


async def test_no_redirect_is_followed_with_our_token(
    client: AsyncClient, service: Service
) -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    service.respond = away
    with pytest.raises(RefusedError, match="302"):
        await client.request("GET", "/registers")
    assert len(service.requests) == 1
