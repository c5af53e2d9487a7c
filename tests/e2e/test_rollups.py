"""Rollups in the running system: wished for, built, checked, broken and built anew."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

from shared.database.accounts import Store
from shared.database.pool import Database
from tests.component.conftest import Client
from tests.e2e.conftest import Stack
from tests.waiting import until

QUESTION = {
    "start_at": "2024-01-01T00:00:00Z",
    "end_at": "2024-03-31T23:59:59Z",
    "timezone": "Europe/London",
    "group_by_period": "day",
    "group_by": ["account"],
}


def _tallyport(stack: Stack, *arguments: str) -> tuple[int, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments, "--json"],
        env={**os.environ, "TALLYPORT_DATABASE_URL": stack.running.engines.database_url},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


async def test_a_question_that_is_asked_often_becomes_cheap_and_stays_exact(
    caller: Client, stack: Stack, database: Database, store: Store
) -> None:
    made = await caller.post("/registers", {"name": "r", "meta": ["account"]}, status=201)
    path = f"/registers/{made['id']}/items"

    async def record(first: int, count: int) -> None:
        lines = (
            json.dumps(
                {
                    "unique_key": f"k{n}",
                    "amount": "0.01",
                    "originated_at": f"2024-0{n % 3 + 1}-{n % 28 + 1:02}T{n % 24:02}:30:00Z",
                    "meta": {"account": f"a{n % 5}"},
                }
            )
            for n in range(first, first + count)
        )
        headers = {"Content-Type": "application/x-ndjson"}
        await caller.call("POST", path, status=200, data="\n".join(lines), headers=headers)

    async def ask() -> tuple[str, Any]:
        response, body = await caller.call(
            "POST", "/reports/item_count", status=200, json={**QUESTION, "register_id": made["id"]}
        )
        return response.headers["Tallyport-Plan"], body

    count = 60_000
    await record(0, count)
    plan, first = await ask()
    assert sum(row["value"] for row in first["count"]) == count

    async def cheap() -> bool:
        return (await ask())[0] == "columns-day"

    await until(cheap, seconds=60, what="a rollup by account")
    _, again = await ask()
    assert again == first

    # A question that comes after the answer to a write sees it, folded or not.
    for number in range(20):
        await record(count + number, 1)
        plan, body = await ask()
        assert sum(row["value"] for row in body["count"]) == count + number + 1
        assert plan == "columns-day"

    options = ("--store", str(store.store_id), "--register", str(made["id"]))
    code, listed = await asyncio.to_thread(_tallyport, stack, "rollup", "list", *options)
    assert code == 0
    assert {tuple(r["columns"]) for r in listed["rollups"]} == {(), ("meta0",)}
    code, checked = await asyncio.to_thread(_tallyport, stack, "rollup", "check", *options)
    assert code == 0, checked
    assert len(checked["checked"]) == 4

    async with database.acquire() as connection:
        await connection.execute(
            "UPDATE rollup_rows SET items = items + 1 WHERE store_id = $1 AND k0 = 'a3'",
            store.store_id,
        )
    code, refused = await asyncio.to_thread(_tallyport, stack, "rollup", "check", *options)
    assert code == 1
    assert "1 of 4 rollups disagree" in refused["error"]
    code, _ = await asyncio.to_thread(_tallyport, stack, "rollup", "rebuild", *options)
    assert code == 0
    code, checked = await asyncio.to_thread(_tallyport, stack, "rollup", "check", *options)
    assert code == 0
    _, body = await ask()
    assert sum(row["value"] for row in body["count"]) == count + 20
