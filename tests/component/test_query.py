"""`POST /reports/query`: the richer question, from HTTP to the database and back."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from shared.database.accounts import Scope
from tests.component.conftest import Client, MakeClient

# (account, warehouse, amount, when)
SOLD = [
    ("shipping", "a", "10.25", "2024-02-01T00:00:00Z"),
    ("shipping", "b", "20.25", "2024-02-29T23:59:59Z"),
    ("shipping", "c", "99", "2024-02-10T00:00:00Z"),
    ("other", "a", "1", "2024-02-10T00:00:00Z"),
    ("other", "b", "2", "2024-02-10T00:00:00Z"),
    ("fees", "a", "3", "2024-02-10T00:00:00Z"),
    ("fees", "a", "0.1", "2024-01-31T23:59:59Z"),
    ("fees", "a", "7", "2023-12-31T23:59:59Z"),
    (None, "a", "1000", "2024-02-10T00:00:00Z"),
]
ASKED: dict[str, Any] = {
    "start_at": "2024-02-01T00:00:00Z",
    "end_at": "2024-02-29T23:59:59Z",
    "group_by_period": "month",
    "group_by": ["account"],
    "measures": ["count", "sum"],
    "filter": {
        "and": [
            {"label": "warehouse", "in": ["a", "b"]},
            {"label": "account", "exists": True},
        ]
    },
    "order": {"measure": "sum"},
    "limit": 1,
    "totals": True,
    "compare": "previous_period",
}


async def _sold(client: Client) -> int:
    made = await client.post(
        "/registers", {"name": "Ledger", "meta": ["account", "warehouse"]}, status=201
    )
    items = [
        {
            "unique_key": str(number),
            "amount": amount,
            "originated_at": moment,
            "meta": {"account": account, "warehouse": warehouse},
        }
        for number, (account, warehouse, amount, moment) in enumerate(SOLD)
    ]
    await client.post(f"/registers/{made['id']}/items", items)
    return int(made["id"])


async def _ask(client: Client, register_id: int, **changes: Any) -> Any:
    return await client.post("/reports/query", {**ASKED, "register_id": register_id, **changes})


def _row(group: str, count: int, total: str, *before: object, **more: Any) -> dict[str, Any]:
    return {
        "period": "Feb 2024",
        "group": group,
        **more,
        "values": {"count": count, "sum": Decimal(total)},
        "previous": {"count": before[0], "sum": Decimal(str(before[1]))},
    }


async def test_the_documented_example(client: Client) -> None:
    register_id = await _sold(client)
    async with client.session.post(
        "/reports/query", json={**ASKED, "register_id": register_id}
    ) as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        assert response.headers["Tallyport-Plan"] == "raw"
        assert response.headers["Server-Timing"].startswith("db;dur=")
        answer = json.loads(await response.text(), parse_float=Decimal)
    total = {
        "values": {"count": 5, "sum": Decimal("36.5")},
        "previous": {"count": 1, "sum": Decimal("0.1")},
    }
    assert answer == {
        "title": "Count, Sum by Month and Account",
        "measures": ["count", "sum"],
        "rows": [
            _row("shipping", 2, "30.5", 0, 0),
            _row("other", 3, "6", 1, "0.1", other=True),
        ],
        "totals": {"periods": [{"period": "Feb 2024", **total}], "all": total},
        "compared_with": {
            "start_at": "2024-01-01T00:00:00+00:00",
            "end_at": "2024-01-31T23:59:59+00:00",
        },
    }


async def test_a_real_other_is_not_the_gathered_one(client: Client) -> None:
    register_id = await _sold(client)
    answer = await _ask(client, register_id, limit=2, order={"measure": "sum", "direction": "asc"})
    assert [(row["group"], row.get("other")) for row in answer["rows"]] == [
        ("fees", None),
        ("other", None),
        ("other", True),
    ], "3 is what both have: the first is the first by code point"


async def test_the_rest_is_computed_from_its_items(client: Client) -> None:
    register_id = await _sold(client)
    answer = await _ask(
        client,
        register_id,
        measures=["sum", "average", "min", "max"],
        filter=None,
        compare=None,
        totals=None,
    )
    first, rest = (row["values"] for row in answer["rows"])
    assert first == {"sum": 1000, "average": 1000, "min": 1000, "max": 1000}
    # Of 10.25, 20.25, 99, 1, 2 and 3; an average of averages would be something else.
    assert rest == {"sum": 135.5, "average": pytest.approx(135.5 / 6), "min": 1, "max": 99}
    assert "totals" not in answer
    assert "compared_with" not in answer
    assert all("previous" not in row for row in answer["rows"])


async def test_without_items_there_is_no_least(client: Client) -> None:
    register_id = await _sold(client)
    answer = await _ask(
        client,
        register_id,
        measures=["min", "count", "max", "average", "sum"],
        group_by=None,
        filter={"label": "account", "eq": "nobody"},
        start_at="2024-01-31T00:00:00Z",
        compare=None,
    )
    nothing = {"min": None, "count": 0, "max": None, "average": 0, "sum": 0}
    assert answer["rows"] == [
        {"period": period, "group": "All", "values": nothing} for period in ("Jan 2024", "Feb 2024")
    ]
    assert answer["totals"]["all"] == {"values": nothing}


async def test_it_is_known_by_its_etag(client: Client) -> None:
    register_id = await _sold(client)
    body = {**ASKED, "register_id": register_id}
    response, _ = await client.call("POST", "/reports/query", status=200, json=body)
    known = {"If-None-Match": response.headers["ETag"]}
    again, nothing = await client.call(
        "POST", "/reports/query", status=304, json=body, headers=known
    )
    assert (nothing, again.headers["ETag"]) == (b"", response.headers["ETag"])
    for changes in ({"limit": 2}, {"totals": False}, {"measures": ["sum", "count"]}):
        await client.call(
            "POST", "/reports/query", status=200, json={**body, **changes}, headers=known
        )
    item = {"unique_key": "new", "amount": 1, "originated_at": "2020-01-01T00:00:00Z"}
    await client.post(f"/registers/{register_id}/items", [item])
    await client.call("POST", "/reports/query", status=200, json=body, headers=known)


async def test_as_csv(client: Client) -> None:
    register_id = await _sold(client)
    _, table = await client.call(
        "POST",
        "/reports/query",
        status=200,
        json={**ASKED, "register_id": register_id, "measures": ["sum", "max"]},
        headers={"Accept": "text/csv"},
    )
    assert table.decode() == (
        "period,account,other,sum,max,previous_sum,previous_max\r\n"
        "Feb 2024,shipping,false,30.5,20.25,0,\r\n"
        "Feb 2024,other,true,6,3,0.1,0.1\r\n"
    )


async def test_all_that_is_wrong_is_told(client: Client) -> None:
    register_id = await _sold(client)
    refused = await client.post(
        "/reports/query",
        {"register_id": register_id, "end_at": "x", "measures": ["mode"], "limits": 5},
        status=422,
    )
    assert refused["error"].startswith("Invalid start_at: invalid xmlschema format")
    assert [error["field"] for error in refused["errors"]] == [
        *("start_at", "end_at", "measures.0", "limits")
    ]
    await client.call("POST", "/reports/query", status=400, data="[]")
    response, _ = await client.call("GET", "/reports/query", status=405)
    assert response.headers["Allow"] == "POST"


async def test_of_another_store_it_is_as_if_it_were_not(
    client: Client, make_client: MakeClient, user_id: int
) -> None:
    register_id = await _sold(client)
    service = await make_client(None, Scope.READ)
    assert (await _ask(service, register_id))["rows"]
    refused = await client.post("/reports/query", {**ASKED, "register_id": 2**60}, status=422)
    assert refused["errors"] == [{"field": "register_id", "reason": "Invalid register_id"}]
    without = await make_client(None, Scope.WRITE)
    await without.post("/reports/query", {**ASKED, "register_id": register_id}, status=403)
