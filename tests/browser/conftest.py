"""A browser, the whole system behind it, and a store with real invoices in it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, async_playwright, expect

from cli.imports import import_invoices
from devstack import chromium_package, demo_account
from devstack.demo import SAMPLE
from devstack.demo_account import DemoAccount
from services.gateway.page import Page as BuiltPage
from shared.database import accounts
from shared.database.accounts import Store
from shared.database.pool import Database
from tallyport_client import AsyncClient
from tests.browser.visitor import Visitor
from tests.component.conftest import Client
from tests.component.events import Play
from tests.e2e.conftest import Stack, caller, stack
from tests.engines import ROOT
from tests.integration.report_worker.seeding import queue_report
from tests.worlds import broker_settings, database, database_settings, world

__all__ = ["broker_settings", "caller", "database", "database_settings", "stack", "world"]

# A machine that has other things to do takes longer; what never comes is red all the same.
expect.set_options(timeout=20_000)
AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    """The operating system's Chromium. One that is missing is an error, not a reason to skip."""
    assert BuiltPage().is_built, "the page is not built: make page"
    # Its sandbox wants a user who is not root.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_package.browser(),
            args=["--force-color-profile=srgb", *sandbox],
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script that finds what is not accessible."""
    return AXE.read_text()


@pytest.fixture(scope="package")
async def sample(stack: Stack) -> DemoAccount:
    """A store with a year of a wholesaler's invoices."""
    account = await demo_account.obtain(stack.running)
    async with AsyncClient(stack.url, account.token) as client:
        await import_invoices(client, SAMPLE, quiet=True)
    return account


@pytest.fixture
async def wholesaler(stack: Stack, sample: DemoAccount) -> AsyncIterator[Client]:
    """A caller of that store, to compare the page with."""
    async with aiohttp.ClientSession(
        stack.url, headers={"Authorization": f"Bearer {sample.token}"}
    ) as session:
        yield Client(session, 0, sample.token)


MakeVisitor = Callable[..., Awaitable[Visitor]]


@pytest.fixture
async def make_visitor(browser: Browser, stack: Stack, axe: str) -> AsyncIterator[MakeVisitor]:
    """Make a person with a browser window of their own. At the end nothing may be wrong in it."""
    visitors: list[Visitor] = []
    async with AsyncExitStack() as windows:

        async def make(**options: Any) -> Visitor:
            context = await browser.new_context(
                **{"viewport": {"width": 1280, "height": 860}, "reduced_motion": "reduce"} | options
            )
            windows.push_async_callback(context.close)
            links = stack.running.engines.object_store.endpoint
            visitor = Visitor(await context.new_page(), stack.url, downloads_from=links, axe=axe)
            visitors.append(visitor)
            return visitor

        yield make
        for visitor in visitors:
            visitor.assert_nothing_wrong()


@pytest.fixture
async def visitor(make_visitor: MakeVisitor) -> Visitor:
    return await make_visitor()


MakePlay = Callable[[], Awaitable[Play]]


@pytest.fixture
async def make_play(database: Database, store: Store, user_id: int) -> AsyncIterator[MakePlay]:
    """Make a report of the test's own store that the test builds itself, as far as it likes."""

    async def make() -> Play:
        play = Play(database, await queue_report(database, store.store_id, user_id))
        await play.hide()
        return play

    yield make
    async with database.acquire() as connection:
        await connection.execute("DELETE FROM reports WHERE store_id = $1", store.store_id)


@pytest.fixture
async def reader(database: Database, store: Store, user_id: int) -> str:
    """A token of the test's own store that may look only."""
    async with database.acquire() as connection:
        token = await accounts.create_token(
            connection,
            user_id=user_id,
            store_id=store.store_id,
            scopes=[accounts.Scope.READ],
        )
    return token.text
