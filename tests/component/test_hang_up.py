"""Who hangs up sets the database free: the statement that works for nobody ends within two seconds.

A question is made slow for real: the test holds a lock that the aggregator's statement waits for.
What is measured is the backend in PostgreSQL, from the moment the caller is gone, with the lock
still held.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.contracts.aggregations import AggregateArguments, AggregateQuery
from shared.database.accounts import Store
from shared.database.pool import Connection, Database
from shared.errors import DeadlineExceededError
from shared.messaging.connection import Broker
from shared.messaging.rpc_client import RpcClient
from shared.settings import BrokerSettings
from tests.component.conftest import Client
from tests.waiting import until

FREE_SECONDS = 2.0
# For a question to get from the caller to the lock.
ARRIVE_SECONDS = 8.0
YEAR = {"start_at": "2024-01-01T00:00:00Z", "end_at": "2024-12-31T23:59:59Z"}
_WAITING = """
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'aggregator'
       AND state = 'active' AND wait_event_type = 'Lock'"""
_AT_WORK = """
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'aggregator' AND state <> 'idle'
       AND pid = ANY ($1)"""


class Backends:
    """The aggregator's backends, watched from a connection that holds up what they read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, count: int) -> list[int]:
        """The backends, once exactly so many wait for the lock."""

        async def found() -> list[int]:
            pids = await self._pids(_WAITING)
            return pids if len(pids) == count else []

        return await until(found, seconds=ARRIVE_SECONDS, what=f"{count} statements at the lock")

    async def seconds_until_free(self, pids: list[int], since: float) -> float:
        async def free() -> bool:
            return not await self._pids(_AT_WORK, pids)

        await until(free, seconds=15, what="the backends to be idle")
        return time.monotonic() - since

    async def at_work(self, pids: list[int]) -> list[int]:
        return await self._pids(_AT_WORK, pids)

    async def _pids(self, sql: str, *values: Any) -> list[int]:
        async with self._database.acquire() as connection:
            return [row["pid"] for row in await connection.fetch(sql, *values)]


@pytest.fixture
def backends(database: Database) -> Backends:
    return Backends(database)


@contextlib.asynccontextmanager
async def _held_up(database: Database) -> AsyncIterator[Connection]:
    """No statement gets to the items."""
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE register_items IN ACCESS EXCLUSIVE MODE")
        yield connection


@pytest.fixture
async def register_id(client: Client) -> int:
    """A register with two items."""
    made = await client.post("/registers", {"name": "Ledger", "meta": ["account"]}, status=201)
    items = [
        {"unique_key": key, "amount": "1.00", "originated_at": "2024-01-15T12:00:00Z"}
        for key in "ab"
    ]
    await client.post(f"/registers/{made['id']}/items", items)
    return int(made["id"])


async def _ask(client: Client, register_id: int, measure: str = "item_count", **more: Any) -> Any:
    return await client.post(f"/reports/{measure}", {**YEAR, "register_id": register_id, **more})


def _asking(client: Client, register_id: int, **more: Any) -> asyncio.Task[Any]:
    return asyncio.create_task(_ask(client, register_id, **more))


async def _hang_up(*tasks: asyncio.Task[Any]) -> float:
    """When they did. aiohttp closes the connection of a request that is cancelled."""
    for task in tasks:
        task.cancel()
    hung_up = time.monotonic()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    return hung_up


async def test_a_caller_that_hangs_up_frees_the_database(
    client: Client, register_id: int, database: Database, backends: Backends
) -> None:
    async with _held_up(database):
        asking = _asking(client, register_id)
        pids = await backends.waiting(1)
        hung_up = await _hang_up(asking)
        seconds = await backends.seconds_until_free(pids, hung_up)
        assert seconds < FREE_SECONDS
        # With the lock still held: whoever needs no items is answered.
        response, _ = await client.call(
            "POST", "/reports/item_count", json={**YEAR, "register_id": 2**40}
        )
        assert 400 <= response.status < 500
    assert (await _ask(client, register_id))["count"][0]["value"] == 2


async def test_many_that_hang_up_at_once_free_it_and_the_one_that_stays_is_answered(
    client: Client, register_id: int, database: Database, backends: Backends
) -> None:
    async with _held_up(database):
        stays = _asking(client, register_id, measure="item_sum")
        (kept,) = await backends.waiting(1)
        leaving = [
            _asking(client, register_id, end_at=f"2024-02-{day:02}T00:00:00Z")
            for day in range(1, 6)
        ]
        pids = [pid for pid in await backends.waiting(6) if pid != kept]
        hung_up = await _hang_up(*leaving)
        assert await backends.seconds_until_free(pids, hung_up) < FREE_SECONDS
        assert await backends.at_work([kept])
    assert (await stays)["count"][0]["value"] == 2


async def test_a_statement_that_others_wait_for_goes_on(
    client: Client, register_id: int, database: Database, backends: Backends
) -> None:
    async with _held_up(database):
        first = _asking(client, register_id)
        (kept,) = await backends.waiting(1)
        # These two share the answer that comes after the first one's.
        second, third = (_asking(client, register_id) for _ in range(2))
        other = _asking(client, register_id, measure="item_sum")
        pids = await backends.waiting(2)
        hung_up = await _hang_up(second, other)
        await backends.seconds_until_free([pid for pid in pids if pid != kept], hung_up)
        assert await backends.at_work([kept])
    for answered in (first, third):
        assert (await answered)["count"][0]["value"] == 2


async def test_an_asker_that_gives_up_at_its_deadline_frees_it(
    *,
    base_url: str,
    store: Store,
    register_id: int,
    broker_settings: BrokerSettings,
    database: Database,
    backends: Backends,
) -> None:
    """Asked over the broker, so that the aggregator's own limit is not what ends it."""
    async with Broker.open(broker_settings, "asker") as broker:
        rpc = RpcClient(broker)
        await rpc.start()
        query = AggregateQuery(
            store_id=store.store_id,
            measure="item_count",
            arguments=AggregateArguments(register_id=register_id, **YEAR),
            deadline=datetime.now(UTC) + timedelta(seconds=60),
        )
        async with _held_up(database):
            asking = asyncio.create_task(rpc.call(query, deadline_seconds=3))
            pids = await backends.waiting(1)
            with pytest.raises(DeadlineExceededError):
                await asking
            assert await backends.seconds_until_free(pids, time.monotonic()) < FREE_SECONDS
        answer = await rpc.call(query, deadline_seconds=10)
        assert answer.body
        await rpc.stop()
