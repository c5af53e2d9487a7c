"""A store of a suite's own, its callers, and what they ask for while everything breaks.

In: a running system and a history. Out: operations in that history, each with what its client was
told. A client that got no answer asks again with the same key, as ours tell callers to; it gives up
after a while, and then nobody knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from shared.database import accounts
from tests.chaos.checker import ANSWER_SECONDS
from tests.chaos.history import AskForReport, Cancel, History, Outcome, Record
from tests.chaos.system import System
from tests.integration.report_worker.seeding import add_customers

CUSTOMERS = 400
RANGE = {"datetime_start": "2020-01-01 00:00:00", "datetime_end": "2030-01-01 00:00:00"}
PERSIST_SECONDS = 60.0
# A client's own rhythm: enough to meet every moment of a fault, not so much that it is the load
# that is tested.
PACE_SECONDS = (0.01, 0.15)
BATCH_ITEMS = 20
# A client waits for the others' reports before it asks for more.
UNFINISHED_MAX = 12


@dataclass
class Shop:
    """`register_id` is a register of its own. `slowest` is the longest that a caller ever waited
    for any answer, or for the news that there is none."""

    system: System
    history: History
    dice: random.Random
    store_id: int
    user_id: int
    register_id: int
    session: aiohttp.ClientSession
    customers: int
    name: str
    slowest: float = 0.0
    accepted_reports: list[int] = field(default_factory=list)
    _numbers: int = 0

    def key(self, kind: str) -> str:
        self._numbers += 1
        return f"{self.name}-{kind}-{self._numbers}"

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """(status, JSON or None); 0 when there was no answer."""
        began = time.monotonic()
        try:
            async with self.session.request(method, path, **options) as response:
                body = await response.read()
                return response.status, json.loads(body) if body else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0, None
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)

    async def ask(self, *, persist: bool = True) -> AskForReport:
        """Ask for a report, until there is an answer (or once)."""
        operation = self.history.asked(self.key("report"), self.customers)
        headers = {"Idempotency-Key": operation.key}
        deadline = time.monotonic() + (PERSIST_SECONDS if persist else 0)
        while True:
            status, body = await self.call(
                "POST", "/reports", json={"name": "customers", **RANGE}, headers=headers
            )
            if status == 201:
                operation.outcome = Outcome.OK
                operation.report_id = int(body["_links"]["self"]["href"].rpartition("/")[2])
                self.accepted_reports.append(operation.report_id)
                return operation
            if 400 <= status < 500 and status not in (409, 429):
                operation.outcome = Outcome.FAIL
                return operation
            if time.monotonic() >= deadline:
                return operation
            await asyncio.sleep(self.dice.uniform(*PACE_SECONDS))

    async def cancel(self, report_id: int, *, persist: bool = True) -> Cancel:
        """Remove a report, until there is an answer (or once)."""
        operation = self.history.cancelled(report_id)
        deadline = time.monotonic() + (PERSIST_SECONDS if persist else 0)
        while True:
            status, _ = await self.call("DELETE", f"/reports/{report_id}")
            # Not there: an attempt before this one, whose answer was lost, has removed it.
            if status in (204, 404):
                operation.outcome = Outcome.OK
                return operation
            if time.monotonic() >= deadline:
                return operation
            await asyncio.sleep(self.dice.uniform(*PACE_SECONDS))

    async def record(self, *, persist: bool = True, items: int = BATCH_ITEMS) -> Record:
        """Record a batch, until there is an answer (or once)."""
        name = self.key("batch")
        cents = {f"{name}-{n:05}": self.dice.randint(-10_000, 10_000) for n in range(items)}
        operation = self.history.recorded(self.register_id, cents)
        body = batch(cents)
        deadline = time.monotonic() + (PERSIST_SECONDS if persist else 0)
        while True:
            status, _ = await self.call("POST", f"/registers/{self.register_id}/items", json=body)
            if status == 200:
                operation.outcome = Outcome.OK
                return operation
            if 400 <= status < 500 and status != 429:
                operation.outcome = Outcome.FAIL
                return operation
            if time.monotonic() >= deadline:
                return operation
            await asyncio.sleep(self.dice.uniform(*PACE_SECONDS))

    async def sum_of_items(self) -> tuple[int, int]:
        """(count, sum in cents) as questions are answered. Waits for an answer."""
        question = {
            "register_id": self.register_id,
            "start_at": "2020-01-01T00:00:00Z",
            "end_at": "2030-01-01T00:00:00Z",
        }
        told = []
        for measure in ("item_count", "item_sum"):
            deadline = time.monotonic() + PERSIST_SECONDS
            while True:
                status, body = await self.call("POST", f"/reports/{measure}", json=question)
                if status == 200:
                    told.append(body["count"][0]["value"])
                    break
                assert time.monotonic() < deadline, f"no {measure}: {status} {body}"
                await asyncio.sleep(PACE_SECONDS[1])
        return int(told[0]), round(told[1] * 100)

    async def unfinished(self) -> int:
        async with self.system.database.acquire() as connection:
            count: int = await connection.fetchval(
                "SELECT count(*) FROM reports WHERE store_id = $1"
                " AND status IN ('queued', 'building')",
                self.store_id,
            )
        return count

    async def a_ready_report(self) -> int | None:
        """The oldest that is there to be downloaded."""
        async with self.system.database.acquire() as connection:
            report_id: int | None = await connection.fetchval(
                "SELECT min(report_id) FROM reports WHERE store_id = $1 AND status = 'ready'",
                self.store_id,
            )
        return report_id

    async def keep_asking(self, is_over: asyncio.Event) -> None:
        """A client that asks for reports, one after the other."""
        while not is_over.is_set():
            with contextlib.suppress(Exception):  # the database may be down: then it waits as well
                if await self.unfinished() < UNFINISHED_MAX:
                    await self.ask(persist=self.dice.random() < 0.8)
            await asyncio.sleep(self.dice.uniform(*PACE_SECONDS))

    async def keep_recording(self, is_over: asyncio.Event) -> None:
        """A client that records batches."""
        while not is_over.is_set():
            await self.record(persist=self.dice.random() < 0.8)
            await asyncio.sleep(self.dice.uniform(*PACE_SECONDS))


def batch(cents: dict[str, int]) -> list[dict[str, Any]]:
    """Items as the API takes them, spread over some days of a year."""
    return [
        {
            "unique_key": key,
            "amount": f"{amount / 100:.2f}",
            "originated_at": f"2024-{n % 12 + 1:02}-{n % 28 + 1:02}T12:00:00Z",
        }
        for n, (key, amount) in enumerate(cents.items())
    ]


@contextlib.asynccontextmanager
async def open_shop(
    system: System, history: History, dice: random.Random, *, customers: int = CUSTOMERS
) -> AsyncIterator[Shop]:
    """A store with customers, a member with a token, and a register."""
    name = secrets.token_hex(4)
    async with system.database.acquire() as connection:
        store = await accounts.create_store(
            connection, name=f"Shop {name}", timezone="Europe/London", currency="GBP"
        )
        user = await accounts.create_user(connection, email=f"{name}@example.com")
        await accounts.add_member(connection, store_id=store.store_id, user_id=user.user_id)
        token = await accounts.create_token(
            connection, user_id=user.user_id, store_id=store.store_id
        )
    await add_customers(system.database, store.store_id, customers)
    async with aiohttp.ClientSession(
        system.gateway.url,
        headers={"Authorization": f"Bearer {token.text}"},
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
    ) as session:
        shop = Shop(
            system, history, dice, store.store_id, user.user_id, 0, session, customers, name
        )
        status, made = await shop.call("POST", "/registers", json={"name": "ledger"})
        assert status == 201, made
        shop.register_id = made["id"]
        yield shop


@contextlib.asynccontextmanager
async def busy(*shops: Shop, clients: int = 1) -> AsyncIterator[None]:
    """So many clients of each shop and kind are at work while the body runs; they finish what they
    have begun."""
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for shop in [*shops] * clients:
            group.create_task(shop.keep_asking(is_over))
            group.create_task(shop.keep_recording(is_over))
        try:
            yield
        finally:
            is_over.set()
