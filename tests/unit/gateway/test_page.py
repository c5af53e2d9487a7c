"""The page and the viewers as browsers get them: what is negotiated, kept, packed, noticed when it
was built anew, and said when it was not built."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.page import (
    CALLS,
    MESSAGES,
    PAGE,
    POLICY,
    POLICY_OF_VIEWERS,
    STAMP,
    Page,
    wants_page,
)
from tests.waiting import until

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
INDEX = b"<!doctype html><title>Tallyport</title>" + b" " * 600
SCRIPT = b"export {};"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(INDEX)
    (tmp_path / "index.html.gz").write_bytes(gzip.compress(INDEX))
    (tmp_path / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs.html").write_bytes(b"the calls")
    (tmp_path / "docs" / "messages.html").write_bytes(b"the messages")
    (tmp_path / STAMP).write_text("x")
    return tmp_path


@pytest.fixture
async def browser(folder: Path) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(_app(Page(folder))), auto_decompress=False) as client:
        yield client


def _app(page: Page) -> web.Application:
    async def index(request: web.Request) -> web.Response:
        return page.show(request, PAGE, vary="Accept")

    async def calls(request: web.Request) -> web.Response:
        return page.show(request, CALLS)

    async def messages(request: web.Request) -> web.Response:
        return page.show(request, MESSAGES)

    async def asset(request: web.Request) -> web.Response:
        return page.asset(request, request.match_info["name"]) or web.Response(status=404)

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get("/docs", calls)
    app.router.add_get("/docs/messages", messages)
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


async def test_the_viewers_may_clean_markup_and_have_pictures_and_nothing_else(
    browser: TestClient,
) -> None:
    for path, content in (("/docs", b"the calls"), ("/docs/messages", b"the messages")):
        async with browser.get(path) as response:
            assert await response.read() == content
            assert response.headers["Content-Security-Policy"] == POLICY_OF_VIEWERS
            assert response.headers["X-Content-Type-Options"] == "nosniff"
    rules, wider = (
        dict(rule.split(" ", 1) for rule in policy.split("; "))
        for policy in (POLICY, POLICY_OF_VIEWERS)
    )
    assert {name for name in wider if wider[name] != rules[name]} == {"img-src", "trusted-types"}
    assert wider["img-src"] == "'self' data:"
    assert "unsafe" not in POLICY_OF_VIEWERS


async def test_what_is_built_anew_is_noticed(folder: Path) -> None:
    page = Page(folder, look_every_seconds=0.01)
    async with TestClient(TestServer(_app(page))) as client:

        async def text() -> str:
            async with client.get("/") as response:
                return await response.text()

        async def status(name: str) -> int:
            async with client.get(f"/assets/{name}") as response:
                return response.status

        assert await text() == INDEX.decode()
        # As building does: the stamp goes first and comes last.
        (folder / STAMP).unlink()
        (folder / "index.html").write_text("half")
        (folder / "index.html.gz").unlink()
        (folder / "assets" / "index-abc.js").rename(folder / "assets" / "index-def.js")
        for _ in range(5):
            assert await text() == INDEX.decode(), "what is only half there is not shown"
        (folder / "index.html").write_text("anew")
        (folder / STAMP).write_text("y")

        async def shown() -> bool:
            return await text() == "anew"

        await until(shown, seconds=5, what="the page that was built anew")
        assert await status("index-def.js") == 200
        assert await status("index-abc.js") == 200, "somebody has the page before open"


async def test_it_is_looked_for_now_and_then_only(folder: Path) -> None:
    page = Page(folder, look_every_seconds=3600)
    (folder / "index.html").write_text("anew")
    (folder / "index.html.gz").unlink()
    (folder / STAMP).unlink()
    (folder / STAMP).write_text("y")
    async with TestClient(TestServer(_app(page))) as client, client.get("/") as response:
        assert await response.text() == INDEX.decode()


@pytest.mark.parametrize(
    ("path", "document"),
    [("/", "openapi.json"), ("/docs", "openapi.json"), ("/docs/messages", "../asyncapi.json")],
)
async def test_what_was_not_built_says_what_to_do_and_is_there_once_it_was(
    tmp_path: Path, path: str, document: str
) -> None:
    folder = tmp_path / "static"
    page = Page(folder, look_every_seconds=0.01)
    assert not page.is_built
    async with TestClient(TestServer(_app(page))) as client:
        async with client.get(path) as response:
            assert response.status == 503
            text = await response.text()
            assert "make page" in text
            assert f'href="{document}"' in text
            assert response.headers["Content-Security-Policy"] == POLICY
        (folder / "docs").mkdir(parents=True)
        for name in (PAGE.file, CALLS.file, MESSAGES.file, STAMP):
            (folder / name).write_text("built")

        async def is_there() -> bool:
            async with client.get(path) as response:
                return response.status == 200

        await until(is_there, seconds=5, what="what was built")
