"""Before and beside the numbers: signing in, nothing there, and what goes wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest
from playwright.async_api import expect

from shared.database import accounts
from shared.database.accounts import Scope, Store
from shared.database.pool import Database
from tests.browser.conftest import MakeVisitor
from tests.browser.visitor import REFUSED, Visitor
from tests.component.conftest import Client
from tests.e2e.conftest import Stack
from tests.waiting import until

# The first one installs the browser, starts everything and imports.
pytestmark = pytest.mark.timeout(600)


async def register(caller: Client, *amounts: str) -> int:
    """A ledger of the caller's, with an item a day in March 2024."""
    made = await caller.post("/registers", {"name": "Till", "units": "EUR", "meta": ["shop"]}, 201)
    items = [
        {
            "unique_key": f"k{number}",
            "amount": amount,
            "originated_at": f"2024-03-0{number + 1}T10:00:00Z",
            "meta": {"shop": "north"},
        }
        for number, amount in enumerate(amounts)
    ]
    if items:
        await caller.post(f"/registers/{made['id']}/items", items)
    return int(made["id"])


async def test_a_wrong_token_lets_nobody_in(visitor: Visitor) -> None:
    visitor.expected.add(REFUSED)
    await visitor.open("#/numbers?measure=count")
    await expect(visitor.title).to_have_text("Sign in")
    await visitor.keep("sign-in")
    await visitor.page.get_by_label("Token").fill("tp_nobody")
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.get_by_role("alert")).to_contain_text("lets nobody in")
    assert await visitor.page.evaluate("sessionStorage.length") == 0


async def test_who_signs_out_leaves_nothing_behind(visitor: Visitor, caller: Client) -> None:
    await visitor.sign_in(caller.token)
    assert caller.token in await visitor.page.evaluate("JSON.stringify(sessionStorage)")
    await visitor.page.reload()
    await visitor.page.get_by_role("button", name="Sign out").click()
    await expect(visitor.title).to_have_text("Sign in")
    kept = "JSON.stringify([sessionStorage, localStorage, document.cookie])"
    assert caller.token not in await visitor.page.evaluate(kept)


async def test_a_token_that_is_revoked_ends_the_session_and_the_view_stays(
    visitor: Visitor, caller: Client, database: Database
) -> None:
    visitor.expected.add(REFUSED)
    await register(caller, "1.10", "2.20")
    await visitor.sign_in(caller.token, "#/numbers?measure=count")
    await expect(visitor.title).to_have_text("Count by Month")
    async with database.acquire() as connection:
        await accounts.revoke_token(connection, caller.token_id)

    async def is_out() -> bool:
        response, _ = await caller.call("GET", "/store")
        return response.status == 401

    await until(is_out, seconds=10, what="the token to be refused")
    await visitor.page.get_by_role("button", name="Refresh").click()
    await expect(visitor.title).to_have_text("Your session has ended")
    assert visitor.page.url.endswith("#/numbers?measure=count")
    await visitor.keep("ended")


async def test_a_service_token_says_for_which_store(
    visitor: Visitor, caller: Client, database: Database, store: Store, user_id: int
) -> None:
    visitor.expected.add(REFUSED)
    await register(caller, "3.30")
    async with database.acquire() as connection:
        token = await accounts.create_token(
            connection, user_id=user_id, store_id=None, scopes=[Scope.READ]
        )
    await visitor.sign_in(token.text, store=store.store_id)
    assert await visitor.rows() == [("Mar 2024", Decimal("3.3"))]
    await expect(visitor.page.get_by_text(store.name)).to_be_visible()


async def test_a_store_without_a_register_says_how_one_is_made(
    visitor: Visitor, caller: Client
) -> None:
    await visitor.sign_in(caller.token)
    await expect(visitor.page.get_by_text("There is nothing here yet")).to_be_visible()
    await visitor.keep("no-register")


async def test_an_empty_register_fills_while_one_looks(visitor: Visitor, caller: Client) -> None:
    number = await register(caller)
    await visitor.sign_in(caller.token)
    await expect(visitor.page.get_by_text("This register is empty")).to_be_visible()
    await visitor.keep("empty-register")
    item = {"unique_key": "a", "amount": "0.1", "originated_at": "2024-03-01T10:00:00Z"}
    await caller.post(f"/registers/{number}/items", [item])
    await visitor.page.get_by_role("button", name="Ask again").click()
    await expect(visitor.title).to_have_text("Sum by Month")
    assert (await visitor.texts())[1] == ["Mar 2024", "0.10"]


async def test_a_range_without_items_leads_to_one_that_has_some(
    visitor: Visitor, caller: Client
) -> None:
    await register(caller, "5", "-5")
    await visitor.sign_in(caller.token, "#/numbers?range=free&from=2023-01-01&to=2023-01-31")
    await expect(visitor.page.get_by_text("Nothing in this range")).to_be_visible()
    await visitor.keep("nothing-in-range")
    await visitor.page.get_by_role("button", name="Look at all data").click()
    # What adds up to nothing is not nothing.
    await expect(visitor.page.locator(".total")).to_have_text("0.00 EUR in 2 items")


async def test_every_digit_of_an_amount_is_shown(visitor: Visitor, caller: Client) -> None:
    await register(caller, "12345678901234567890123456789012.345678", "0.000001")
    await visitor.sign_in(caller.token, "#/numbers?period=day")
    texts = await visitor.texts()
    assert texts[1] == ["Mar 01 2024", "12,345,678,901,234,567,890,123,456,789,012.345678"]
    assert texts[2] == ["Mar 02 2024", "0.000001"]
    assert texts[-1] == ["All", "12,345,678,901,234,567,890,123,456,789,012.345679"]


async def test_an_aggregator_that_is_gone_is_told_and_can_be_waited_for(
    visitor: Visitor, caller: Client, stack: Stack
) -> None:
    visitor.expected.add(REFUSED)
    await register(caller, "1")
    await visitor.sign_in(caller.token, "#/numbers?range=free&from=2024-03-01&to=2024-03-31")
    await expect(visitor.title).to_have_text("Sum by Month")
    stack.process("aggregator").kill()
    try:
        await visitor.page.get_by_label("Count", exact=True).check()
        alert = visitor.page.get_by_role("alert")
        await expect(alert).to_contain_text("No answer just now")
        await visitor.keep("busy")
    finally:
        stack.start_again()
    await visitor.page.get_by_role("button", name="Try again").click()
    await expect(visitor.title).to_have_text("Count by Month")


async def test_no_connection_is_told(visitor: Visitor, caller: Client) -> None:
    visitor.expected.add(REFUSED)
    await register(caller, "1")
    await visitor.sign_in(caller.token)
    await visitor.settled()
    await visitor.page.context.set_offline(True)
    await visitor.page.get_by_role("button", name="Refresh").click()
    await expect(visitor.page.get_by_role("alert")).to_contain_text("No connection")
    await visitor.page.context.set_offline(False)
    await visitor.page.get_by_role("button", name="Try again").click()
    await expect(visitor.title).to_have_text("Sum by Month")


async def test_light_and_dark_are_a_choice_that_lasts(
    make_visitor: MakeVisitor, caller: Client
) -> None:
    visitor = await make_visitor(color_scheme="light")
    await visitor.sign_in(caller.token)
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = await visitor.page.evaluate(paper)
    await visitor.page.get_by_label("Light or dark").select_option("dark")
    dark = await visitor.page.evaluate(paper)
    assert dark != light
    await visitor.page.reload()
    await expect(visitor.page.get_by_role("button", name="Sign out")).to_be_visible()
    assert await visitor.page.evaluate(paper) == dark
