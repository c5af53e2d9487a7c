"""`GET /store`: who may know what of which store, and the two faces of `/`."""

from __future__ import annotations

import aiohttp

from shared.database.accounts import Scope, Store
from tests.component.conftest import Client, MakeClient

HAL = "application/hal+json"


async def test_a_caller_learns_of_its_own_store(client: Client, store: Store) -> None:
    assert await client.get("/store") == {
        "id": store.store_id,
        "name": store.name,
        "timezone": "Europe/London",
        "currency": "GBP",
        "currency_digits": 2,
        "scopes": ["read", "write"],
    }


async def test_a_service_token_says_which_store(make_client: MakeClient, store: Store) -> None:
    client = await make_client(None, Scope.READ)
    refused = await client.get("/store", status=422)
    assert "Tallyport-Store" in refused["error"]
    known = await client.get("/store", headers={"Tallyport-Store": str(store.store_id)})
    assert (known["name"], known["scopes"]) == (store.name, ["read"])


async def test_nobody_learns_of_a_store(base_url: str) -> None:
    async with aiohttp.request("GET", f"{base_url}/store") as response:
        assert response.status == 401


async def test_a_client_gets_links_and_a_browser_no_json(base_url: str) -> None:
    async with aiohttp.ClientSession(base_url) as session:
        for accept in ("*/*", HAL, "application/json"):
            async with session.get("/", headers={"Accept": accept}) as response:
                assert response.content_type == HAL
                assert response.headers["Vary"] == "Accept"
                assert (await response.json())["_links"]["fx:store"]["href"] == f"{base_url}/store"
        async with session.get("/", headers={"Accept": "text/html,*/*;q=0.8"}) as response:
            # The page, or, where it was not built, the word that it was not.
            assert response.content_type == "text/html"
            assert "Tallyport" in await response.text()
        async with session.get("/assets/nothing.js") as response:
            assert response.status == 404
