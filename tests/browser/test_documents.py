"""The two documents in their viewers: read, tried out, under a policy that lets nothing in."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from services.gateway.asyncapi import document as asyncapi_document
from services.gateway.openapi.document import document as openapi_document
from shared.database.accounts import Store
from tests.browser.visitor import Visitor
from tests.component.conftest import Client

# The first one installs the browser, starts everything and imports.
pytestmark = pytest.mark.timeout(600)

# What is inside of it is as the viewer makes it (docs/decisions/0030-viewers.md).
VIEWER = "#document"
# In one go: there are many of them.
_CALLS = """() => Object.fromEntries([...document.querySelectorAll('.opblock')].map(call =>
  [call.id, [call.textContent, call.checkVisibility()]]))"""
_TEXTS = "viewer => [...viewer.querySelectorAll('*')].map(one => one.textContent.trim())"
_OPERATIONS = """() => [...document.querySelectorAll("[id^='operation-']")].map(part =>
  [part.id, [...part.querySelectorAll('*')].filter(one => one.checkVisibility())
    .map(one => one.textContent.trim())])"""


async def test_every_call_is_there_to_be_read_and_tried_out(
    visitor: Visitor, caller: Client, store: Store
) -> None:
    page = visitor.page
    await visitor.open("docs")
    await expect(page).to_have_title("Tallyport: the calls over HTTP")
    await expect(page.get_by_role("heading", name="Tallyport")).to_be_visible()
    shown = await page.evaluate(_CALLS)
    for methods in openapi_document()["paths"].values():
        for method, operation in methods.items():
            text, is_visible = shown.pop(
                f"operations-{operation['tags'][0]}-{operation['operationId']}"
            )
            assert operation["summary"] in text
            # Of each HEAD its GET says enough.
            assert is_visible == (method != "head"), operation["operationId"]
    assert shown == {}
    await visitor.keep("calls", without=VIEWER)

    # With a token that is typed in, a call goes to this gateway and its answer is shown.
    await page.get_by_role("button", name="Authorize").click()
    await page.get_by_label("auth-bearer-value").fill(caller.token)
    await page.get_by_role("button", name="Apply credentials").click()
    await page.get_by_role("button", name="Close").click()
    call = page.locator("#operations-entry-findStore")
    await call.locator(".opblock-summary-control").click()
    await call.get_by_role("button", name="Try it out").click()
    await call.get_by_role("button", name="Execute").click()
    await expect(call.locator(".live-responses-table")).to_contain_text(f'"name": "{store.name}"')


async def test_every_message_is_there_to_be_read(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("docs/messages")
    await expect(page).to_have_title("Tallyport: the messages on the queue")
    viewer = page.locator(VIEWER)
    document = asyncapi_document()
    await expect(viewer.get_by_role("heading", name="Operations")).to_be_visible()
    shown = await page.evaluate(_OPERATIONS)
    for name, operation in document["operations"].items():
        (texts,) = (texts for place, texts in shown if place.endswith(f"-{name}"))
        for message in operation["messages"]:
            # By its name, and not by that of the queue around it.
            assert message["$ref"].rpartition("/")[2] in texts
    everywhere = await viewer.evaluate(_TEXTS)
    for message in document["components"]["messages"].values():
        assert message.get("name", message["title"]) in everywhere
    # What it is made of, by the names of the code.
    await expect(viewer.get_by_text("unique_key").first).to_be_attached()
    await visitor.keep("messages", without=VIEWER)


async def test_one_leads_to_the_other_and_to_the_page(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("docs/messages")
    await page.get_by_role("link", name="Calls", exact=True).click()
    await expect(page).to_have_url(f"{visitor.url}/docs")
    await page.get_by_role("link", name="Messages", exact=True).click()
    await expect(page).to_have_url(f"{visitor.url}/docs/messages")
    # As dark as was chosen on the page, whatever the system says.
    await page.evaluate("localStorage.setItem('tallyport.theme', 'dark')")
    await page.reload()
    await expect(page.locator("html.dark-mode")).to_be_visible()
    await page.get_by_role("link", name="Tallyport", exact=True).click()
    await expect(visitor.title).to_have_text("Sign in")
