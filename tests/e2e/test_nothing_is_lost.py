"""Breaking the running system: what was accepted becomes ready, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import psutil

from devstack.rabbitmq import RabbitMQ
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.errors import UnavailableError
from tests.component.conftest import Client
from tests.component.events import Play, following
from tests.e2e.conftest import Stack
from tests.engines import EnginesUnderTest
from tests.integration.report_worker.seeding import queue_report
from tests.waiting import until

REPORT = {
    "name": "customers",
    "datetime_start": "2011-01-01 00:00:00",
    "datetime_end": "2011-12-31 23:59:59",
}
# No answer may take longer, whatever is down: the deadlines of the gateway plus a margin.
ANSWER_SECONDS = 20.0
FINISH_SECONDS = 60.0
# The load's own rhythm: enough to meet every moment of a restart, not so much that it is the load
# that is tested.
PACE_SECONDS = 0.2
MIB = 1024 * 1024


@asynccontextmanager
async def _builds_held(database: Database) -> AsyncIterator[None]:
    """Every build waits in the middle: its COPY needs a table that this transaction has, and that
    nobody needs who asks for a report."""
    async with database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE")
        try:
            yield
        finally:
            await transaction.rollback()


async def _status(database: Database, store: Store) -> list[tuple[str, int]]:
    async with database.acquire() as connection:
        rows = await connection.fetch(
            "SELECT status, attempt FROM reports WHERE store_id = $1 ORDER BY report_id",
            store.store_id,
        )
    return [(row["status"], row["attempt"]) for row in rows]


async def _all_ready(database: Database, store: Store, count: int) -> None:
    async def ready() -> bool:
        found = await _status(database, store)
        return [status for status, _ in found] == ["ready"] * count

    await until(ready, seconds=FINISH_SECONDS, what=f"{count} reports to be ready")


async def _one_is_building(database: Database, store: Store) -> bool:
    return any(status == "building" for status, _ in await _status(database, store))


async def _customers(caller: Client, count: int) -> None:
    await caller.post(
        "/customers",
        [
            {"id": n, "email": f"{n}@example.com", "date_created": "2011-05-01T00:00:00Z"}
            for n in range(1, count + 1)
        ],
    )


async def _download(report: dict[str, Any]) -> bytes:
    link = report["_links"]["fx:download_url"]["href"]
    async with aiohttp.ClientSession() as anybody, anybody.get(link) as response:
        assert response.status == 200
        return await response.read()


async def test_a_broker_restart_loses_no_report_and_hangs_no_request(
    caller: Client, database: Database, store: Store, rabbit: RabbitMQ
) -> None:
    await _customers(caller, 10)
    register = await caller.post("/registers", {"name": "r"}, status=201)
    question = {
        "start_at": "2024-01-01T00:00:00Z",
        "end_at": "2024-01-02T00:00:00Z",
        "register_id": register["id"],
    }
    accepted = 0
    asked: list[int] = []
    slowest = 0.0
    is_over = asyncio.Event()

    async def ask_for_reports() -> None:
        nonlocal accepted, slowest
        while not is_over.is_set():
            began = time.monotonic()
            await caller.post("/reports", REPORT, status=201)
            accepted += 1
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(PACE_SECONDS)

    async def ask_for_numbers() -> None:
        nonlocal slowest
        while not is_over.is_set():
            began = time.monotonic()
            response, _ = await caller.call("POST", "/reports/item_count", json=question)
            asked.append(response.status)
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(PACE_SECONDS)

    async def answers_again() -> bool:
        response, _ = await caller.call("POST", "/reports/item_count", json=question)
        return response.status == 200

    async with asyncio.TaskGroup() as callers:
        async with _builds_held(database):
            callers.create_task(ask_for_reports())
            callers.create_task(ask_for_numbers())
            await until(
                lambda: _one_is_building(database, store), seconds=30, what="a build to start"
            )
            await asyncio.to_thread(rabbit.restart)
            await until(answers_again, seconds=60, what="numbers after the restart")
        is_over.set()

    assert slowest < ANSWER_SECONDS
    assert accepted > 0
    assert set(asked) <= {200, 503}, "an answer, or at once the news that there is none"
    assert 200 in asked
    await _all_ready(database, store, accepted)
    assert {attempt for _, attempt in await _status(database, store)} == {1}, (
        "a restart of the broker does not touch a running build"
    )


async def test_a_killed_worker_loses_no_report(
    caller: Client, database: Database, store: Store, stack: Stack
) -> None:
    await _customers(caller, 25)
    async with _builds_held(database):
        response, _ = await caller.call("POST", "/reports", status=201, json=REPORT)
        await until(lambda: _one_is_building(database, store), seconds=30, what="a build to start")
        victim = stack.process("report_worker")
        victim.kill()
        victim.wait(10)
    await asyncio.to_thread(stack.start_again)
    await _all_ready(database, store, 1)
    ((_, attempt),) = await _status(database, store)
    assert attempt == 2

    path = response.headers["Location"].removeprefix(stack.url)
    report = await caller.get(path)
    (file,) = report["files"]
    body = await _download(report)
    assert (file["rows"], file["bytes"]) == (25, len(body))
    assert hashlib.sha256(body).hexdigest() == file["sha256"]
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert sorted(int(row["id"]) for row in rows) == list(range(1, 26))
    async with database.acquire() as connection:
        files = await connection.fetchval(
            "SELECT count(*) FROM report_files WHERE store_id = $1", store.store_id
        )
    assert files == 1


async def test_a_restart_of_the_database_ends_no_service_and_loses_no_report(
    caller: Client, database: Database, store: Store, stack: Stack, world: EnginesUnderTest
) -> None:
    if world.local is None:
        raise RuntimeError("this test restarts PostgreSQL: it needs TALLYPORT_TEST_ENGINES=local")
    await _customers(caller, 10)
    services = ("gateway", "recorder", "aggregator", "report_worker")
    before = [stack.process(service) for service in services]
    for _ in range(3):
        await caller.call("POST", "/reports", status=201, json=REPORT)
    async with database.acquire() as connection:
        user_id = await connection.fetchval(
            "SELECT user_id FROM tokens WHERE token_id = $1", caller.token_id
        )
    play = Play(database, await queue_report(database, store.store_id, user_id))
    async with following(caller.session, f"{play.path}/events") as stream:
        await stream.event()
        await asyncio.to_thread(world.local.postgres.restart)

        async def answers() -> bool:
            response, _ = await caller.call("GET", "/registers")
            assert response.status in (200, 503), "an answer, or the news that there is none"
            return response.status == 200

        await until(answers, seconds=FINISH_SECONDS, what="answers after the restart")
        # Whoever watched a report before goes on watching it.
        await caller.call("DELETE", play.path, status=204)
        *_, last = await stream.rest()
        assert last.name == "removed"

    async def ready() -> bool:
        try:
            return [status for status, _ in await _status(database, store)] == ["ready"] * 3
        except UnavailableError:
            return False

    await until(ready, seconds=FINISH_SECONDS, what="three reports to be ready")
    assert (await caller.post("/registers", {"name": "after"}, status=201))["name"] == "after"
    assert [stack.process(service) for service in services] == before
    assert all(process.is_running() for process in before)


class _Memory:
    """The most memory that processes took while something ran, beyond what they had before."""

    def __init__(self, *processes: psutil.Process) -> None:
        self._processes = processes
        self._before = [process.memory_info().rss for process in processes]
        self.growth = 0

    async def watch(self) -> None:
        while True:
            now = [process.memory_info().rss for process in self._processes]
            grown = max(b - a for a, b in zip(self._before, now, strict=True))
            self.growth = max(self.growth, grown)
            await asyncio.sleep(0.02)


async def test_a_hundred_thousand_items_take_no_more_memory_than_a_few(
    caller: Client, stack: Stack
) -> None:
    count = 100_000
    made = await caller.post("/registers", {"name": "r", "meta": ["account"]}, status=201)
    path = f"/registers/{made['id']}/items"
    headers = {"Content-Type": "application/x-ndjson"}

    def line(number: int) -> bytes:
        item = {
            "unique_key": f"order-{number}",
            "amount": f"{number % 1000}.{number % 100:02}",
            "originated_at": f"2024-01-{number % 28 + 1:02}T12:00:00Z",
            "description": "x" * 60,
            "meta": {"account": f"account {number % 12}"},
        }
        return json.dumps(item).encode() + b"\n"

    async def lines(start: int, end: int) -> AsyncIterator[bytes]:
        for first in range(start, end, 500):
            yield b"".join(line(number) for number in range(first, min(first + 500, end)))

    # What a process takes once and keeps (code, pools, buffers) is no growth.
    await caller.call("POST", path, status=200, data=lines(0, 20_000), headers=headers)
    memory = _Memory(stack.process("gateway"), stack.process("recorder"))
    watch = asyncio.create_task(memory.watch())
    began = time.monotonic()
    _, answer = await caller.call(
        "POST", path, status=200, data=lines(20_000, count + 20_000), headers=headers
    )
    seconds = time.monotonic() - began
    watch.cancel()
    print(f"{count / seconds:,.0f} rows a second, {memory.growth / MIB:.1f} MiB more")  # noqa: T201
    assert answer == {"inserted": count, "duplicates": 0}
    assert memory.growth < 40 * MIB
