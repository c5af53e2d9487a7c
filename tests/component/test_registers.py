"""Registers and their items, as callers see them: what is answered is committed and counted."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from tests.component.conftest import Client

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


def _item(key: str, amount: object = "1.00", **more: Any) -> dict[str, Any]:
    return {
        "unique_key": key,
        "amount": amount,
        "originated_at": "2024-01-15T12:00:00Z",
        **more,
    }


async def _register(client: Client, *labels: str) -> int:
    made = await client.post("/registers", {"name": "Ledger", "meta": list(labels)}, status=201)
    return int(made["id"])


async def _ask(client: Client, measure: str, register_id: int, **more: Any) -> Any:
    return await client.post(
        f"/reports/{measure}",
        {
            "start_at": "2024-01-01T00:00:00Z",
            "end_at": "2024-12-31T23:59:59Z",
            "register_id": register_id,
            **more,
        },
    )


async def _total(client: Client, measure: str, register_id: int) -> Any:
    return (await _ask(client, measure, register_id))["count"][0]["value"]


async def test_a_register_is_made_shown_listed_and_extended(client: Client) -> None:
    response, made = await client.call(
        "POST",
        "/registers",
        status=201,
        json={"name": "Income", "meta": ["account"], "units": "USD"},
    )
    assert response.headers["Location"].endswith(f"/registers/{made['id']}")
    assert (made["name"], made["units"], made["meta"]) == ("Income", "USD", {"meta0": "account"})
    assert await client.get(f"/registers/{made['id']}") == made
    listed = await client.get("/registers")
    assert listed["registers"] == [made]

    _, changed = await client.call(
        "PATCH",
        f"/registers/{made['id']}",
        status=200,
        json={"name": "Revenue", "meta": {"meta1": "warehouse"}},
    )
    assert changed["name"] == "Revenue"
    assert changed["meta"] == {"meta0": "account", "meta1": "warehouse"}
    response, refused = await client.call(
        "PATCH", f"/registers/{made['id']}", json={"meta": {"meta0": "renamed"}}
    )
    assert response.status in (409, 422)
    assert "account" in refused["error"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x", "meta": ["a", "a"]}, "a"),
        ({"name": "x", "meta": [str(n) for n in range(11)]}, "10"),
        ({"name": "x", "meta": {"meta10": "a"}}, "meta"),
    ],
)
async def test_a_register_that_cannot_be_is_told_why(
    client: Client, body: dict[str, Any], named: str
) -> None:
    refused = await client.post("/registers", body, status=422)
    assert named in refused["error"]


async def test_items_come_as_json_ndjson_and_csv(client: Client) -> None:
    register_id = await _register(client, "account")
    path = f"/registers/{register_id}/items"
    items = [_item("a", 0.1, meta={"account": "x"}), _item("b", "0.2", meta={"account": 7})]
    assert await client.post(path, items) == {"inserted": 2, "duplicates": 0}
    lines = "\n".join(json.dumps(item) for item in [*items, _item("c", "-0.05")])
    _, answer = await client.call("POST", path, status=200, data=lines, headers=NDJSON)
    assert answer == {"inserted": 1, "duplicates": 2}
    rows = "unique_key,amount,originated_at,account\r\nd,10,2024-01-15T12:00:00Z,7\r\n"
    _, answer = await client.call("POST", path, status=200, data=rows, headers=CSV)
    assert answer == {"inserted": 1, "duplicates": 0}

    async with client.session.post(
        "/reports/item_sum",
        json={
            "start_at": "2024-01-01T00:00:00Z",
            "end_at": "2024-12-31T23:59:59Z",
            "register_id": register_id,
            "group_by": ["account"],
        },
    ) as response:
        answer = json.loads(await response.text(), parse_float=Decimal)
    assert answer == {
        "title": "Sum by Account",
        "count": [
            {"period": "All", "group": "", "value": Decimal("-0.05")},
            {"period": "All", "group": "7", "value": Decimal("10.2")},
            {"period": "All", "group": "x", "value": Decimal("0.1")},
        ],
    }


async def test_a_question_after_the_answer_sees_what_was_written(client: Client) -> None:
    register_id = await _register(client)
    for number in range(1, 6):
        await client.post(f"/registers/{register_id}/items", [_item(f"k{number}")])
        assert await _total(client, "item_count", register_id) == number


async def test_the_same_key_with_other_content_is_a_conflict_that_is_named(client: Client) -> None:
    register_id = await _register(client)
    path = f"/registers/{register_id}/items"
    await client.post(path, [_item("a", "1.00")])
    assert await client.post(path, [_item("a", "1.0")]) == {"inserted": 0, "duplicates": 1}
    refused = await client.post(path, [_item("b"), _item("a", "2.00")], status=409)
    assert "a" in refused["error"]
    assert refused["errors"][0]["index"] == 1
    assert await _total(client, "item_count", register_id) == 1, "nothing of the batch is written"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": "ten"}, "amount"),
        ({"amount": None}, "amount"),
        ({"originated_at": "2024-01-15"}, "originated_at"),
        ({"unique_key": ""}, "unique_key"),
        ({"meta": {"nope": "x"}}, "meta"),
        ({"meta": "x"}, "meta"),
        ({"description": "a\x00b"}, "description"),
    ],
)
async def test_a_bad_item_is_named_and_nothing_is_written(
    client: Client, change: dict[str, Any], field: str
) -> None:
    register_id = await _register(client, "account")
    items = [_item("a"), {**_item("b"), **change}]
    refused = await client.post(f"/registers/{register_id}/items", items, status=422)
    assert refused["errors"][0]["index"] == 1
    assert refused["errors"][0]["field"].startswith(field)
    assert refused["errors"][0]["reason"]
    assert (refused["inserted"], refused["duplicates"]) == (0, 0)
    assert await _total(client, "item_count", register_id) == 0


async def test_batches_before_a_bad_one_stay_and_the_answer_says_so(client: Client) -> None:
    register_id = await _register(client)
    lines = [json.dumps(_item(f"k{number}")) for number in range(4_500)]
    lines[4_321] = json.dumps(_item("bad", "ten"))
    response, refused = await client.call(
        "POST", f"/registers/{register_id}/items", data="\n".join(lines), headers=NDJSON
    )
    assert response.status == 422
    assert refused["errors"][0]["index"] == 4_321
    assert refused["inserted"] == await _total(client, "item_count", register_id) == 4_000
    lines[4_321] = json.dumps(_item("k4321"))
    _, answer = await client.call(
        "POST", f"/registers/{register_id}/items", status=200, data="\n".join(lines), headers=NDJSON
    )
    assert answer == {"inserted": 500, "duplicates": 4_000}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("{", {"Content-Type": "application/json"}, 400),
        ('{"a": 1}', {"Content-Type": "application/json"}, 400),
        ("[" * 100_000, {"Content-Type": "application/json"}, 400),
        ("x", {"Content-Type": "text/plain"}, 415),
        ('{"unique_key": "' + "x" * 300_000, NDJSON, 413),
    ],
)
async def test_what_cannot_be_read_is_refused(
    client: Client, body: str, headers: dict[str, str], status: int
) -> None:
    register_id = await _register(client)
    response, refused = await client.call(
        "POST", f"/registers/{register_id}/items", data=body, headers=headers
    )
    assert response.status == status, refused
    assert refused["error"]


async def test_voiding_adds_the_reverse_once(client: Client) -> None:
    register_id = await _register(client)
    await client.post(f"/registers/{register_id}/items", [_item("a", "12.50"), _item("b", "1")])
    path = f"/registers/{register_id}/items/void"
    assert await client.post(path, {"unique_key": "a"}) == {"inserted": 1, "duplicates": 0}
    assert await client.post(path, {"unique_key": "a"}) == {"inserted": 0, "duplicates": 1}
    assert await _total(client, "item_count", register_id) == 3
    assert await _total(client, "item_sum", register_id) == 1
    await client.post(path, {"unique_key": "zzz"}, status=404)
    await client.post(path, {}, status=422)
    await client.post(path, {"unique_key": 5}, status=422)


async def test_a_caller_who_hangs_up_leaves_whole_batches(client: Client, base_url: str) -> None:
    register_id = await _register(client)

    async def endless() -> Any:
        for number in range(3_000):
            yield json.dumps(_item(f"k{number}")).encode() + b"\n"
        raise ConnectionResetError

    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await client.call("POST", f"/registers/{register_id}/items", data=endless(), headers=NDJSON)
    assert await _total(client, "item_count", register_id) in (0, 2_000)


async def test_a_line_cannot_smuggle_anything_into_the_message(client: Client) -> None:
    """Lines travel as they were sent; one that is more than an object would say where they go."""
    register_id, other = await _register(client), await _register(client)
    item = json.dumps(_item("a"))
    for line in (
        f"{item},{item.replace(chr(34) + 'a' + chr(34), chr(34) + 'b' + chr(34))}",
        f'{item}],"register_id":{other},"items":[{item}',
        f'{item}]}}{{"items":[{item}',
    ):
        refused = await client.call(
            "POST", f"/registers/{register_id}/items", status=400, data=line, headers=NDJSON
        )
        assert "line 1" in refused[1]["error"]
    for each in (register_id, other):
        assert await _total(client, "item_count", each) == 0


async def test_what_nobody_reads_does_no_harm(client: Client) -> None:
    """Fields that are ignored may hold what no message may."""
    register_id = await _register(client)
    body = json.dumps([{**_item("a"), "note": "\ud800"}, {**_item("b"), "deep": [[1]]}])
    body = body.replace("[[1]]", "[" * 300 + "]" * 300)
    _, recorded = await client.call(
        "POST",
        f"/registers/{register_id}/items",
        status=200,
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert recorded == {"inserted": 2, "duplicates": 0}
