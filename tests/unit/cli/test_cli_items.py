"""`tallyport items list`: what it asks, and what it shows."""

from __future__ import annotations

import json

from aiohttp import web

from tests.answering import Service
from tests.unit.cli.test_cli_commands import call_service

LIST = ("items", "list", "--register", "7")
PAGE = """{"items":[{"unique_key":"invoice-1","description":"Tea","amount":"0.30000001",
 "units":"GBP","originated_at":"2024-01-01T00:00:00.000000Z","meta":{"account":"shop"}}],
 "limit":1,"next":"abc"}"""


async def _answer(_request: web.Request) -> web.StreamResponse:
    return web.Response(text=PAGE, content_type="application/json")


async def test_it_asks_as_it_is_told(service: Service) -> None:
    service.respond = _answer
    options = ["--from", "2024-01-01", "--to", "2024-01-31", "--timezone", "Europe/London"]
    where = ["--where", "account=a=b", "--where", "account=", "--limit", "1", "--after", "xyz"]
    result = await call_service(service, *LIST, *options, *where)
    assert result.exit_code == 0, result.stderr
    (request,) = service.requests
    assert request.path == "/registers/7/items"
    assert list(request.query.items()) == [
        ("limit", "1"),
        ("start_at", "2024-01-01T00:00:00+00:00"),
        ("end_at", "2024-01-31T23:59:59.999999+00:00"),
        ("after", "xyz"),
        ("meta[account]", "a=b"),
        ("meta[account]", ""),
    ]
    for shown in ("0.30000001", "invoice-1", "--after abc"):
        assert shown in result.stdout


async def test_the_page_is_passed_on_as_it_came(service: Service) -> None:
    service.respond = _answer
    result = await call_service(service, *LIST, "--json")
    assert json.loads(result.stdout) == json.loads(PAGE)
    assert list(service.requests[0].query.items()) == [("limit", "100")]


async def test_a_condition_that_is_none_is_not_sent(service: Service) -> None:
    result = await call_service(service, *LIST, "--where", "account")
    assert "is not label=value" in result.stderr
    assert not service.requests
