"""`tallyport items query`: what it asks, and what it shows."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from tests.answering import Service
from tests.unit.cli.test_cli_commands import call_service

QUERY = ("items", "query", "--register", "1", "--from", "2024-01-01", "--to", "2024-01-31")
ANSWER = """{"title":"Sum, Minimum by Account","measures":["sum","min"],"rows":[
 {"period":"All","group":"a","values":{"sum":0.30000001,"min":null},
  "previous":{"sum":7,"min":7}},
 {"period":"All","group":"other","other":true,"values":{"sum":2,"min":1},
  "previous":{"sum":0,"min":null}}],
 "compared_with":{"start_at":"x","end_at":"y"}}"""


async def test_it_asks_as_it_is_told(service: Service) -> None:
    asked: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.update(await request.json())
        return web.Response(text=ANSWER, content_type="application/json")

    service.respond = answer
    options = ["--measure", "sum", "--measure", "min", "--by", "account", "--top", "1", "--compare"]
    where = ["--where", "warehouse=a=b", "--where", "channel!=web", "--where", "sku="]
    result = await call_service(service, *QUERY, *options, *where)
    assert result.exit_code == 0, result.stderr
    assert service.requests[0].path == "/reports/query"
    assert asked["measures"] == ["sum", "min"]
    assert asked["order"] == {"measure": "sum"}
    assert (asked["limit"], asked["compare"]) == (1, "previous_period")
    assert asked["filter"] == {
        "and": [
            {"label": "warehouse", "eq": "a=b"},
            {"label": "channel", "not": "web"},
            {"label": "sku", "eq": ""},
        ]
    }
    for shown in ("0.30000001", "(others)", "previous", "Sum, Minimum by Account"):
        assert shown in result.stdout


async def test_what_is_not_named_is_not_asked(service: Service) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        assert asked["measures"] == ["count", "sum"]
        names = ("filter", "order", "limit", "compare", "group_by", "group_by_period")
        assert {asked[name] for name in names} == {None}
        return web.Response(
            text='{"title":"Count, Sum","measures":["count","sum"],"rows":[]}',
            content_type="application/json",
        )

    service.respond = answer
    result = await call_service(service, *QUERY, "--json")
    assert json.loads(result.stdout)["rows"] == []


async def test_a_condition_that_is_none_is_not_sent(service: Service) -> None:
    result = await call_service(service, *QUERY, "--where", "account")
    assert "neither label=value nor label!=value" in result.stderr
    assert not service.requests
