"""The HTTP client: what it sends, when it asks again, what it says when it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from aiohttp import web

from cli import api as api_module
from cli.api import ATTEMPTS_MAX, Api, Stream
from cli.error_text import reasons
from cli.json_text import json_text
from cli.outcomes import BadFileError, RefusedError, TimedOutError, UnreachableError
from tests.unit.cli.conftest import Service


def busy_until(times: int) -> tuple[list[int], object]:
    asked: list[int] = []

    async def respond(request: web.Request) -> web.StreamResponse:
        asked.append(len(await request.read()))
        if len(asked) <= times:
            return web.json_response({"error": "busy"}, status=503, headers={"Retry-After": "0"})
        return web.json_response({"value": 1})

    return asked, respond


async def test_a_busy_service_is_asked_again(api: Api, service: Service) -> None:
    asked, service.respond = busy_until(2)  # type: ignore[assignment]
    assert await api.parsed("GET", "/registers") == {"value": 1}
    assert len(asked) == 3


async def test_but_not_for_ever(api: Api, service: Service) -> None:
    asked, service.respond = busy_until(1_000)  # type: ignore[assignment]
    with pytest.raises(RefusedError, match="busy") as refused:
        await api.call("GET", "/registers")
    assert refused.value.status == 503
    assert len(asked) == ATTEMPTS_MAX


async def test_and_not_at_all_when_twice_is_not_once(api: Api, service: Service) -> None:
    asked, service.respond = busy_until(1)  # type: ignore[assignment]
    with pytest.raises(RefusedError):
        await api.call("POST", "/registers", json={})
    assert len(asked) == 1


async def test_a_stream_begins_anew_when_it_is_sent_again(api: Api, service: Service) -> None:
    asked, service.respond = busy_until(1)  # type: ignore[assignment]

    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"def"

    await api.call("POST", "/items", stream=Stream("text/csv", chunks), repeatable=True)
    assert asked == [6, 6]
    assert service.requests[0].content_type == "text/csv"


async def test_a_file_that_breaks_on_the_way_is_told_as_such(api: Api, service: Service) -> None:
    async def read_on(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=204)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        raise BadFileError("it is damaged")

    service.respond = read_on
    with pytest.raises(BadFileError, match="it is damaged"):
        await api.call("POST", "/items", stream=Stream("text/csv", chunks))


async def test_a_refusal_in_the_middle_of_an_upload_is_heard(api: Api, service: Service) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        await request.content.readany()
        return web.json_response({"error": "row 3 is not CSV"}, status=400)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 65_536

    service.respond = refuse
    with pytest.raises(RefusedError, match="row 3 is not CSV"):
        await api.call("POST", "/items", stream=Stream("text/csv", chunks))


async def test_nobody_there(api: Api) -> None:
    async with Api.open("http://127.0.0.1:1", token="secret", store_id=None) as nobody:
        with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:1 .*--url"):
            await nobody.call("GET", "/")


async def test_no_answer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await request.content.read()
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.get_running_loop().create_future()
        return response

    monkeypatch.setattr(api_module, "ANSWER_SECONDS", 0.2)
    service.respond = never
    async with Api.open(service.url, token="secret", store_id=None) as client:
        with pytest.raises(TimedOutError, match="GET /slow within"):
            await client.call("GET", "/slow")


async def test_a_store_is_named_for_a_service_token(service: Service) -> None:
    async with Api.open(service.url, token="secret", store_id=7) as client:
        await client.call("DELETE", "/x")
    assert service.requests[0].headers["Tallyport-Store"] == "7"
    assert service.requests[0].headers["Authorization"] == "Bearer secret"


async def test_no_redirect_is_followed_with_our_token(api: Api, service: Service) -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    service.respond = away
    with pytest.raises(RefusedError, match="302"):
        await api.call("GET", "/registers")
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (422, b'{"error": "Invalid register_id"}', ["Invalid register_id"]),
        (
            422,
            (
                b'{"error": "bad item", "errors": [{"index": 3, "field": "amount", "reason": "no"}]'
                b', "inserted": 2000, "duplicates": 0}'
            ),
            [
                "bad item",
                "[3].amount: no",
                (
                    "before that: 2000 inserted, 0 duplicates; sending all of it again changes "
                    "nothing of these"
                ),
            ],
        ),
        (
            422,
            (
                b'{"total": 2, "_embedded": {"fx:errors": [{"logref": "id-1", "message": "a"},'
                b' {"logref": "id-2", "message": "b"}]}}'
            ),
            ["a", "b"],
        ),
        (502, b"<html>", ["502 Bad Gateway: <html>"]),
        (599, b"", ["599 unknown status"]),
        (500, b"[]", ["500 Internal Server Error: []"]),
    ],
)
def test_the_reasons_are_the_services_own(status: int, body: bytes, expected: list[str]) -> None:
    assert reasons(status, body) == expected


def test_a_refused_token_comes_with_advice() -> None:
    assert "TALLYPORT_TOKEN" in reasons(401, b'{"error": "a valid bearer token is required"}')[1]


def test_json_keeps_every_digit() -> None:
    exact = {"value": Decimal("0.10000000000000000000000000000000000001")}
    assert json_text(exact) == '{"value":0.10000000000000000000000000000000000001}'
    assert json_text({"value": Decimal("1E+3")}) == '{"value":1000}'
