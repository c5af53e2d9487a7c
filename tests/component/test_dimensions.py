"""`/registers/{id}/dimensions`, from HTTP to the database and back."""

from __future__ import annotations

import pytest

from shared.database.accounts import Scope
from tests.component.conftest import Client, MakeClient


async def _register(client: Client) -> int:
    made = await client.post("/registers", {"name": "L", "meta": ["ship to/from"]}, status=201)
    items = [
        {
            "unique_key": f"{value}{number}",
            "amount": 1,
            "originated_at": "2024-01-15T12:00:00Z",
            "meta": {"ship to/from": value},
        }
        for number, value in enumerate(["ä b", "a&b", "a&b", None])
    ]
    await client.post(f"/registers/{made['id']}/items", items)
    return int(made["id"])


async def test_labels_and_values(client: Client) -> None:
    register_id = await _register(client)
    response, found = await client.call("GET", f"/registers/{register_id}/dimensions", status=200)
    (label,) = found["dimensions"]
    assert (label["label"], label["values"], label["items"]) == ("ship to/from", 2, 3)
    known = {"If-None-Match": response.headers["ETag"]}
    await client.call("GET", f"/registers/{register_id}/dimensions", status=304, headers=known)

    path = f"/registers/{register_id}/dimensions/ship%20to%2Ffrom"
    assert await client.get(path) == {
        "label": "ship to/from",
        "column": "meta0",
        "values": [{"value": "a&b", "items": 2}, {"value": "ä b", "items": 1}],
        "is_exact": True,
        "next_after": None,
    }
    first = await client.get(path, params={"limit": "1"})
    assert first["next_after"] == "a&b"
    second = await client.get(path, params={"limit": "1", "after": first["next_after"]})
    assert [one["value"] for one in second["values"]] == ["ä b"]
    assert (await client.get(path, params={"prefix": "a"}))["values"] == first["values"]


@pytest.mark.parametrize(
    "page", [{"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"after": "\0"}]
)
async def test_a_page_that_cannot_be_is_refused(client: Client, page: dict[str, str]) -> None:
    register_id = await _register(client)
    path = f"/registers/{register_id}/dimensions/ship%20to%2Ffrom"
    refused = await client.get(path, status=422, params=page)
    assert refused["errors"][0]["field"] == next(iter(page))


async def test_what_is_not_there_or_not_yours(client: Client, make_client: MakeClient) -> None:
    register_id = await _register(client)
    await client.get(f"/registers/{register_id}/dimensions/nope", status=404)
    await client.get(f"/registers/{register_id}9999/dimensions", status=404)
    await client.get("/registers/0/dimensions", status=404)
    service = await make_client(None, Scope.READ)
    assert (await service.get(f"/registers/{register_id}/dimensions"))["dimensions"]
    await service.get(f"/registers/{register_id}9999/dimensions", status=404)
