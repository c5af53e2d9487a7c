"""The page as browsers get it: what is negotiated, kept, packed, and said when it is not built."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.page import POLICY, Page, wants_page

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
INDEX = b"<!doctype html><title>Tallyport</title>" + b" " * 600
SCRIPT = b"export {};"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(INDEX)
    (tmp_path / "index.html.gz").write_bytes(gzip.compress(INDEX))
    (tmp_path / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (tmp_path / ".built-from").write_text("x")
    return tmp_path


@pytest.fixture
async def browser(folder: Path) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(_app(Page(folder))), auto_decompress=False) as client:
        yield client


def _app(page: Page) -> web.Application:
    async def index(request: web.Request) -> web.Response:
        return page.index(request)

    async def asset(request: web.Request) -> web.Response:
        return page.asset(request, request.match_info["name"]) or web.Response(status=404)

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get("/assets/{name:.*}", asset)
    return app


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("TEXT/HTML;q=0.5", True),
        ("text/html;q=0.9, application/hal+json;q=0.8", True),
        ("", False),
        ("*/*", False),
        ("application/hal+json", False),
        ("application/json, text/html;q=0.9", False),
        ("text/html, application/hal+json", False),
        ("text/html;q=0", False),
        ("text/html;q=nonsense", False),
    ],
)
def test_a_browser_gets_the_page_and_a_client_the_links(accept: str, wanted: bool) -> None:
    assert wants_page(accept) is wanted


async def test_the_page_is_asked_for_each_time_and_sent_once(browser: TestClient) -> None:
    async with browser.get("/", headers={"Accept-Encoding": "identity"}) as first:
        assert await first.read() == INDEX
        assert first.headers["Cache-Control"] == "no-cache"
        assert first.headers["Vary"] == "Accept, Accept-Encoding"
    known = {"If-None-Match": first.headers["ETag"], "Accept-Encoding": "identity"}
    async with browser.get("/", headers=known) as second:
        assert (second.status, await second.read()) == (304, b"")
        assert second.headers["ETag"] == first.headers["ETag"]
    known["If-None-Match"] = '"another"'
    async with browser.get("/", headers=known) as third:
        assert third.status == 200


async def test_it_is_packed_for_whoever_takes_it(browser: TestClient) -> None:
    async with browser.get("/", headers={"Accept-Encoding": "gzip, br"}) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await packed.read()) == INDEX
    async with browser.get("/", headers={"Accept-Encoding": "gzip;q=0"}) as plain:
        assert "Content-Encoding" not in plain.headers
        assert plain.headers["ETag"] != packed.headers["ETag"]


async def test_what_it_is_made_of_is_kept_for_ever(browser: TestClient) -> None:
    async with browser.get("/assets/index-abc.js") as script:
        assert await script.read() == SCRIPT
        assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"


async def test_nothing_else_is_served(browser: TestClient) -> None:
    for name in ("../index.html", "..%2F.built-from", ".built-from", "nothing.js", ""):
        async with browser.get(f"/assets/{name}") as response:
            assert response.status == 404


async def test_the_policy_lets_nothing_in(browser: TestClient) -> None:
    async with browser.get("/") as response:
        assert response.headers["Content-Security-Policy"] == POLICY
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules.pop("require-trusted-types-for") == "'script'"
    assert set(rules.values()) == {"'none'", "'self'"}, "no other origin, nothing inline"


async def test_without_a_page_it_says_what_to_do(tmp_path: Path) -> None:
    page = Page(tmp_path / "static")
    assert not page.is_built
    async with TestClient(TestServer(_app(page))) as client, client.get("/") as response:
        assert response.status == 503
        assert "make page" in await response.text()
        assert response.headers["Content-Security-Policy"] == POLICY
