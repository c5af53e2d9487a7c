"""What is in a register, as callers see it: pages of one moment, filters, and all of it as CSV."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any

import pytest
from aiohttp import web

from shared.database import accounts
from shared.database.pool import Database
from shared.database.registers import insert_register
from tests.component.conftest import Client, MakeClient
from tests.waiting import until

CSV = {"Accept": "text/csv"}
# In the order of the list: by instant, then by key, "B" before "a" as code points are.
ITEMS: list[dict[str, Any]] = [
    {"unique_key": "z", "amount": "-1.50", "originated_at": "2023-12-31T23:59:59.999999Z"},
    {"unique_key": "B", "amount": "0.10", "originated_at": "2024-01-01T00:00:00Z",
     "meta": {"account": "shop"}, "units": "kg"},
    {"unique_key": "a", "amount": "12345678901234567890.123456789",
     "originated_at": "2024-01-01T01:00:00+01:00", "meta": {"account": "fees", "warehouse": "N"},
     "description": '=1+1, "so"\r\nto speak'},
    {"unique_key": "ключ", "amount": "1e3", "originated_at": "2024-01-02T00:00:00Z",
     "meta": {"account": "fees"}},
]  # fmt: skip


async def _filled(client: Client, items: list[dict[str, Any]]) -> int:
    made = await client.post(
        "/registers",
        {"name": "Ledger", "units": "USD", "meta": ["account", "warehouse"]},
        status=201,
    )
    await client.post(f"/registers/{made['id']}/items", items)
    return int(made["id"])


async def _keys(client: Client, register_id: int, **query: Any) -> list[str]:
    page = await client.get(f"/registers/{register_id}/items", params=query)
    return [item["unique_key"] for item in page["items"]]


async def test_items_come_in_order_and_in_full(client: Client) -> None:
    register_id = await _filled(client, ITEMS[::-1])
    page = await client.get(f"/registers/{register_id}/items")
    assert [item["unique_key"] for item in page["items"]] == ["z", "B", "a", "ключ"]
    assert page["items"][2] == {
        "unique_key": "a",
        "description": '=1+1, "so"\r\nto speak',
        "amount": "12345678901234567890.123456789",
        "units": "USD",
        "originated_at": "2024-01-01T00:00:00.000000Z",
        "meta": {"account": "fees", "warehouse": "N"},
    }
    assert [item["amount"] for item in page["items"]][::3] == ["-1.50", "1000"]
    assert page["items"][1]["units"] == "kg"
    assert page["items"][0]["meta"] == {"account": "", "warehouse": ""}
    assert (page["limit"], page["next"]) == (100, None)
    # What was listed can be recorded again, and is the same.
    again = await client.post(f"/registers/{register_id}/items", page["items"])
    assert again == {"inserted": 0, "duplicates": 4}


async def test_pages_show_one_moment_while_items_arrive(client: Client) -> None:
    """Forty items of one instant, and more of it recorded between the pages."""
    when = "2024-03-01T00:00:00Z"

    def items(prefix: str, count: int) -> list[dict[str, Any]]:
        return [
            {"unique_key": f"{prefix}{n:02d}", "amount": "1", "originated_at": when}
            for n in range(count)
        ]

    register_id = await _filled(client, items("k", 40))
    path: str | None = f"/registers/{register_id}/items?limit=7"
    found: list[str] = []
    sizes = []
    while path:
        response, page = await client.call("GET", path, status=200)
        found += [item["unique_key"] for item in page["items"]]
        sizes.append(len(page["items"]))
        link = response.links.get("next")
        assert (link is None) == (page["next"] is None)
        path = link["url"].path_qs if link else None
        # Before, between and behind what is listed.
        await client.post(f"/registers/{register_id}/items", items(f"a{len(sizes)}", 2))
        await client.post(f"/registers/{register_id}/items", items(f"k{len(sizes)}x", 2))
    assert found == [f"k{n:02d}" for n in range(40)]
    assert sizes == [7, 7, 7, 7, 7, 5]
    assert len(await _keys(client, register_id)) == 40 + 4 * len(sizes)


async def test_a_page_that_is_just_full_is_the_last(client: Client) -> None:
    register_id = await _filled(client, ITEMS)
    page = await client.get(f"/registers/{register_id}/items?limit=4")
    assert (len(page["items"]), page["next"]) == (4, None)


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"start_at": "2024-01-01T00:00:00Z"}, ["B", "a", "ключ"]),
        ({"end_at": "2024-01-01T00:00:00Z"}, ["z", "B", "a"]),
        ({"start_at": "2024-01-01T00:00:00Z", "end_at": "2024-01-01T02:00:00+02:00"}, ["B", "a"]),
        ({"meta[account]": "fees"}, ["a", "ключ"]),
        ({"meta[account]": ""}, ["z"]),
        ([("meta[account]", "shop"), ("meta[account]", "")], ["z", "B"]),
        ({"meta[account]": "fees", "meta[warehouse]": ""}, ["ключ"]),
        ({"meta[account]": "fees", "start_at": "2024-01-02T00:00:00Z"}, ["ключ"]),
        ({"meta[account]": "nobody"}, []),
    ],
)
async def test_ranges_and_values_limit_both_forms(
    client: Client, query: Any, keys: list[str]
) -> None:
    register_id = await _filled(client, ITEMS)
    page = await client.get(f"/registers/{register_id}/items", params=query)
    assert [item["unique_key"] for item in page["items"]] == keys
    body = await client.get(f"/registers/{register_id}/items", params=query, headers=CSV)
    assert [row["unique_key"] for row in csv.DictReader(io.StringIO(body.decode()))] == keys


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("after=", "after"),
        ("after=AAAA", "after"),
        ("after=%D0%B6", "after"),
        ("after=WzEsMSwiYVx1MDAwMCJd", "after"),  # [1,1,"a\u0000"]
        ("after=WzEsOTk5OTk5OTk5OTk5OTk5OTk5OTk5LCJhIl0", "after"),  # beyond any year
        ("after=Wy0xLDEsImEiXQ", "after"),  # [-1,1,"a"]
        ("start_at=2024-01-01", "start_at"),
        ("end_at=2024-01-01T00:00:00", "end_at"),
        ("start_at=2024-01-02T00:00:00Z&end_at=2024-01-01T00:00:00Z", "start_at"),
        ("meta[nope]=x", "nope"),
        ("meta[]=x", "meta"),
        ("meta[account]=%00", "meta"),
        ("meta[account%00]=x", "meta"),
    ],
)
async def test_what_cannot_be_asked_is_named(client: Client, query: str, named: str) -> None:
    register_id = await _filled(client, ITEMS[:1])
    for headers in ({}, CSV):
        if headers and query.startswith(("limit", "after")):
            continue
        refused = await client.get(
            f"/registers/{register_id}/items?{query}", status=422, headers=headers
        )
        assert named in refused["error"]


async def test_the_csv_is_all_of_it_guarded_and_exact(client: Client) -> None:
    register_id = await _filled(client, ITEMS)
    response, body = await client.call(
        "GET", f"/registers/{register_id}/items?limit=1", status=200, headers=CSV
    )
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert body.decode() == (
        "unique_key,description,amount,units,originated_at,account,warehouse\r\n"
        "z,,-1.50,USD,2023-12-31T23:59:59.999999Z,,\r\n"
        "B,,0.10,kg,2024-01-01T00:00:00.000000Z,shop,\r\n"
        'a,"\'=1+1, ""so""\r\nto speak",12345678901234567890.123456789,USD,'
        "2024-01-01T00:00:00.000000Z,fees,N\r\n"
        "ключ,,1000,USD,2024-01-02T00:00:00.000000Z,fees,\r\n"
    )
    response, body = await client.call(
        "HEAD", f"/registers/{register_id}/items", status=200, headers=CSV
    )
    assert response.headers["Content-Type"].startswith("text/csv")
    assert body == b""


async def test_a_foreign_register_does_not_exist(
    client: Client, make_client: MakeClient, database: Database
) -> None:
    async with database.acquire() as connection:
        other = await accounts.create_store(
            connection, name="Other", timezone="UTC", currency="USD"
        )
    stranger = await make_client(other)
    register_id = await _filled(client, ITEMS)
    unknown = await client.get("/registers/999999999/items", status=404)
    for headers in ({}, CSV):
        refused = await stranger.get(f"/registers/{register_id}/items", status=404, headers=headers)
        assert refused["error"].replace(str(register_id), "999999999") == unknown["error"]


async def test_a_slow_reader_holds_a_turn_and_no_memory(
    client: Client, database: Database, base_url: str
) -> None:
    """60,000 items of a thousand characters: 60 MB, of which nobody reads more than the head."""
    async with database.acquire() as connection:
        store_id = await connection.fetchval(
            "SELECT store_id FROM tokens WHERE token_id = $1", client.token_id
        )
        register = await insert_register(connection, store_id, name="Long", meta={})
        await connection.execute(
            "INSERT INTO register_items (store_id, register_id, unique_key, amount, originated_at,"
            " description) SELECT $1, $2, n::text, 1, now(), repeat('x', 1000)"
            " FROM generate_series(1, 60000) AS n",
            store_id,
            register.register_id,
        )
    host, port = base_url.removeprefix("http://").split(":")
    request = (
        f"GET /registers/{register.register_id}/items HTTP/1.1\r\nHost: {host}\r\n"
        f"Accept: text/csv\r\nAuthorization: Bearer {client.token}\r\n\r\n"
    ).encode()
    writers = []
    try:
        for _ in range(3):
            # A reader that is not read from stops taking at its limit.
            reader, writer = await asyncio.open_connection(host, int(port), limit=2**16)
            writers.append(writer)
            writer.write(request)
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        refused = await client.get(
            f"/registers/{register.register_id}/items", status=503, headers=CSV
        )
        assert "too many" in refused["error"]
        # The pages need no turn.
        assert len((await client.get(f"/registers/{register.register_id}/items"))["items"]) == 100

        async def waiting_to_send() -> bool:
            async with database.acquire() as connection:
                waiting = await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'"
                    " AND query LIKE 'COPY%' AND datname = current_database()"
                )
            return int(waiting) == 3

        # The database itself waits for the caller: nothing piles up in between.
        await until(waiting_to_send, seconds=30, what="the database to wait for the reader")
    finally:
        for writer in writers:
            writer.transport.abort()

    async def is_free() -> bool:
        response, _ = await client.call(
            "GET", f"/registers/{register.register_id}/items?end_at=2000-01-01T00:00:00Z",
            headers=CSV,
        )  # fmt: skip
        return response.status == 200

    await until(is_free, seconds=30, what="the turns of callers who hung up")


async def test_a_slow_reader_keeps_no_transaction_open(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends a transaction in which nothing happens, and with it would go what the caller
    has not read yet."""
    register_id = await _filled(client, ITEMS)
    write = web.StreamResponse.write
    seen: set[str] = set()

    async def write_when_it_is_done(response: web.StreamResponse, data: bytes) -> None:
        async def states() -> set[str]:
            async with database.acquire() as connection:
                rows = await connection.fetch(
                    "SELECT state FROM pg_stat_activity WHERE query LIKE 'COPY%'"
                    " AND datname = current_database() AND application_name = 'gateway'"
                )
            found = {row["state"] for row in rows}
            return set() if "active" in found else found

        if b"12345678901234567890.123456789" in data:
            seen.update(await until(states, seconds=30, what="the end of the statement"))
        await write(response, data)

    monkeypatch.setattr(web.StreamResponse, "write", write_when_it_is_done)
    body = await client.get(f"/registers/{register_id}/items", headers=CSV)
    assert len([*csv.reader(io.StringIO(body.decode()))]) == 1 + len(ITEMS)
    assert seen == {"idle"}


async def test_all_of_it_streamed_is_what_was_recorded(client: Client) -> None:
    items = [
        {"unique_key": f"k{n:05d}", "amount": f"{n}.{n % 100:02d}",
         "originated_at": f"2024-01-01T00:{n // 60 % 60:02d}:{n % 60:02d}Z"}
        for n in range(5_000)
    ]  # fmt: skip
    register_id = await _filled(client, items)
    body = await client.get(f"/registers/{register_id}/items", headers=CSV)
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert [(r["unique_key"], r["amount"]) for r in rows] == [
        (item["unique_key"], item["amount"])
        for item in sorted(items, key=lambda i: (i["originated_at"], i["unique_key"]))
    ]
    assert json.dumps(rows[0]["originated_at"]) == '"2024-01-01T00:00:00.000000Z"'
