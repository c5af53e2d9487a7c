"""Who may do what: one and the same refusal for every bad token, and other stores do not exist."""

from __future__ import annotations

import aiohttp
import pytest

from shared.database import accounts
from shared.database.accounts import Scope, Store
from shared.database.pool import Database
from tests.component.conftest import Client, MakeClient
from tests.waiting import until

CALLS = [
    ("POST", "/reports"),
    ("GET", "/reports/1"),
    ("GET", "/report/1"),
    ("DELETE", "/reports/1"),
    ("GET", "/reports/1/events"),
    ("POST", "/reports/item_sum"),
    ("POST", "/registers"),
    ("GET", "/registers"),
    ("GET", "/registers/1"),
    ("PATCH", "/registers/1"),
    ("POST", "/registers/1/items"),
    ("POST", "/registers/1/items/void"),
    ("POST", "/customers"),
    ("POST", "/transactions"),
    ("POST", "/subscriptions"),
    ("GET", "/users/1"),
    ("GET", "/nowhere"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_without_a_valid_token_nobody_gets_in(base_url: str, method: str, path: str) -> None:
    seen = set()
    async with aiohttp.ClientSession(base_url) as session:
        for authorization in (
            None,
            "Bearer",
            "Bearer tp_unknown",
            "Basic dXNlcjpwYXNz",
            "x" * 5000,
        ):
            headers = {} if authorization is None else {"Authorization": authorization}
            async with session.request(method, path, headers=headers, json={}) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
                text = await response.text()
                seen.add(text if "logref" not in text else "vnd.error")
    assert len(seen) == 1


async def test_revoked_tokens_are_refused_as_soon_as_the_gateway_hears_of_it(
    client: Client, database: Database
) -> None:
    for _ in range(3):
        await client.get("/registers")
    async with database.acquire() as connection:
        await accounts.revoke_token(connection, client.token_id)
    await until(lambda: _is_refused(client), seconds=5, what="the revoked token is refused")
    await client.get("/registers", status=401)


async def test_members_who_left_are_refused(
    client: Client, database: Database, store: Store
) -> None:
    await client.get("/registers")
    async with database.acquire() as connection:
        user_id = await connection.fetchval(
            "SELECT user_id FROM tokens WHERE token_id = $1", client.token_id
        )
        await accounts.remove_member(connection, store_id=store.store_id, user_id=user_id)
    try:
        await until(lambda: _is_refused(client), seconds=5, what="the former member is refused")
    finally:
        async with database.acquire() as connection:
            await accounts.add_member(connection, store_id=store.store_id, user_id=user_id)


async def _is_refused(client: Client) -> bool:
    response, _ = await client.call("GET", "/registers")
    return response.status == 401


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/", "/rels/report", "/docs", "/docs/messages"]
)
async def test_what_everybody_may_see_needs_no_token(base_url: str, path: str) -> None:
    async with aiohttp.ClientSession(base_url) as session, session.get(path) as response:
        assert response.status == 200


async def test_a_token_does_what_its_scopes_say(make_client: MakeClient, store: Store) -> None:
    reader = await make_client(store, Scope.READ)
    await reader.get("/registers")
    refused = await reader.post("/registers", {"name": "x"}, status=403)
    assert "write" in refused["error"]
    writer = await make_client(store, Scope.WRITE)
    await writer.post("/registers", {"name": "x"}, status=201)
    await writer.get("/registers", status=403)


async def test_another_stores_register_is_answered_as_if_it_did_not_exist(
    client: Client, make_client: MakeClient, database: Database
) -> None:
    async with database.acquire() as connection:
        other_store = await accounts.create_store(
            connection, name="Other", timezone="UTC", currency="USD"
        )
    stranger = await make_client(other_store)
    theirs = (await client.post("/registers", {"name": "mine"}, status=201))["id"]
    unknown = 999_999_999
    item = {"unique_key": "k", "amount": 1, "originated_at": "2024-01-01T00:00:00Z"}
    for call in (
        lambda i: stranger.call("GET", f"/registers/{i}"),
        lambda i: stranger.call("PATCH", f"/registers/{i}", json={"name": "theirs"}),
        lambda i: stranger.call("POST", f"/registers/{i}/items", json=[item]),
        lambda i: stranger.call("POST", f"/registers/{i}/items/void", json={"unique_key": "k"}),
        lambda i: stranger.call(
            "POST",
            "/reports/item_sum",
            json={
                "start_at": "2024-01-01T00:00:00Z",
                "end_at": "2024-01-02T00:00:00Z",
                "register_id": i,
            },
        ),
    ):
        response, body = await call(theirs)
        response_unknown, body_unknown = await call(unknown)
        assert response.status == response_unknown.status >= 400
        assert str(body).replace(str(theirs), "N") == str(body_unknown).replace(str(unknown), "N")
    assert (await client.get(f"/registers/{theirs}"))["name"] == "mine"


async def test_a_service_token_names_its_store(make_client: MakeClient, store: Store) -> None:
    service = await make_client(None)
    refused = await service.get("/registers", status=422)
    assert "Tallyport-Store" in refused["error"]
    headers = {"Tallyport-Store": str(store.store_id)}
    register = await service.post("/registers", {"name": "r"}, status=201, headers=headers)
    assert (await service.get("/registers", headers=headers))["registers"] == [register]
    # A register is enough to know the store by.
    assert await service.get(f"/registers/{register['id']}") == register
    await service.get("/registers", status=422, headers={"Tallyport-Store": "x"})
    await service.get("/registers", status=422, headers={"Tallyport-Store": "999999999"})


async def test_users_are_seen_by_those_who_share_a_store(
    client: Client, store: Store, user_id: int, make_client: MakeClient, database: Database
) -> None:
    user = await client.get(f"/users/{user_id}")
    assert user["_links"]["self"]["href"].endswith(f"/users/{user_id}")
    async with database.acquire() as connection:
        other_store = await accounts.create_store(
            connection, name="Other", timezone="UTC", currency="USD"
        )
    stranger = await make_client(other_store)
    await stranger.get(f"/users/{user_id}", status=404)
