"""Nobody waits for a stranger's long report: large and small are apart, and stores have shares.

One worker with its default slots, in a world of its own. There a customer whose first name is
"slow" takes as long to be written as the test holds a lock.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import asyncpg
import pytest
from pydantic import SecretStr

from devstack import ports
from services.gateway import app as gateway
from services.gateway.settings import GatewayServiceSettings, GatewaySettings
from services.report_worker import app as report_worker
from services.report_worker.settings import WorkerServiceSettings, WorkerSettings
from shared.database import accounts
from shared.database.pool import Database
from shared.settings import (
    BrokerSettings,
    DatabaseSettings,
    ObjectStoreSettings,
    OperationsSettings,
    ReportSettings,
)
from tests.component.conftest import is_ready, running
from tests.engines import ROOT, EnginesUnderTest
from tests.own_world import own_world
from tests.waiting import until

SECONDS = 30.0
JANUARY, JUNE = datetime(2021, 1, 15, tzinfo=UTC), datetime(2021, 6, 15, tzinfo=UTC)
LARGE_ROWS = 5
# As it is, and slow to be exported where a customer is called so. Nobody else has to wait.
SLOW = """
CREATE FUNCTION is_there(value text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF value = 'slow' AND current_setting('application_name') = 'report_worker source' THEN
        PERFORM pg_advisory_xact_lock_shared(4711);
    END IF;
    RETURN true;
END $$;
ALTER TABLE customers RENAME TO all_customers;
CREATE VIEW customers AS SELECT * FROM all_customers WHERE is_there(first_name);
"""
CUSTOMER = """
INSERT INTO customers (store_id, customer_id, first_name, date_created, date_modified)
SELECT $1, $3 || i, $3, $4::timestamptz, now() FROM generate_series(1, $2::int) i
"""


class Shop:
    """A store and a caller of it."""

    def __init__(self, world: World, store_id: int, session: aiohttp.ClientSession) -> None:
        self._world = world
        self._store_id = store_id
        self._session = session

    async def has(self, count: int, name: str, since: datetime) -> None:
        async with self._world.database.acquire() as connection:
            await connection.execute(CUSTOMER, self._store_id, count, name, since)

    async def ask(self, last_day: str = "2021-12-31") -> str:
        """The path of a new report of the customers up to that day."""
        body = {
            "name": "customers",
            "datetime_start": "2021-01-01 00:00:00",
            "datetime_end": f"{last_day} 23:59:59",
        }
        async with self._session.post("/reports", json=body) as response:
            assert response.status == 201
            return re.sub(r"^http://[^/]+", "", response.headers["Location"])

    async def get(self, path: str) -> dict[str, Any]:
        async with self._session.get(path) as response:
            assert response.status == 200
            return dict(await response.json())

    async def ready(self, path: str) -> dict[str, Any]:
        async def probe() -> dict[str, Any] | None:
            report = await self.get(path)
            assert report["status"] != "error"
            return report if report["status"] == "ready" else None

        report = await until(probe, seconds=SECONDS, what=f"{path} to be ready")
        assert report is not None
        return report

    async def begun(self, count: int) -> list[dict[str, Any]]:
        """All queued reports, once so many of them are being written."""

        async def probe() -> list[dict[str, Any]] | None:
            page = await self.get("/reports?status=queued&limit=300")
            found: list[dict[str, Any]] = page["_embedded"]["fx:reports"]
            written = [one for one in found if one["progress"]["stage"].startswith("writing")]
            return found if len(written) == count else None

        found = await until(probe, seconds=SECONDS, what=f"{count} reports in the middle")
        assert found is not None
        return found


class World:
    """A gateway and one worker on a database and a virtual host of their own."""

    def __init__(self, database: Database, database_url: str, url: str) -> None:
        self.database = database
        self._database_url = database_url
        self._url = url
        self._stack = contextlib.AsyncExitStack()

    async def shop(self) -> Shop:
        async with self.database.acquire() as connection:
            store = await accounts.create_store(
                connection, name="A shop", timezone="UTC", currency="USD"
            )
            email = f"shop{store.store_id}@example.com"
            user = await accounts.create_user(connection, email=email)
            await accounts.add_member(connection, store_id=store.store_id, user_id=user.user_id)
            token = await accounts.create_token(
                connection, user_id=user.user_id, store_id=store.store_id
            )
        session = aiohttp.ClientSession(
            self._url,
            headers={"Authorization": f"Bearer {token.text}"},
            timeout=aiohttp.ClientTimeout(total=60),
        )
        await self._stack.enter_async_context(session)
        return Shop(self, store.store_id, session)

    @contextlib.asynccontextmanager
    async def slow(self) -> AsyncIterator[None]:
        """Slow customers are not written meanwhile."""
        connection = await asyncpg.connect(self._database_url)
        try:
            await connection.execute("SELECT pg_advisory_lock(4711)")
            yield
        finally:
            await connection.close()

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture(scope="module")
async def world(
    engines: EnginesUnderTest, object_store_settings: ObjectStoreSettings
) -> AsyncIterator[World]:
    (port,) = ports.reserve(ROOT / ".run" / "tests", 1)
    url = f"http://127.0.0.1:{port}"
    async with own_world(engines, "apart") as own:
        blocks: dict[str, Any] = {
            "database": DatabaseSettings(url=SecretStr(own.database_url)),
            "broker": BrokerSettings(url=(SecretStr(own.broker_url),)),
            "object_store": object_store_settings,
            "operations": OperationsSettings(port=0, drain_seconds=10),
            "reports": ReportSettings(
                large_rows=LARGE_ROWS, heartbeat_seconds=0.1, reap_seconds=0.2
            ),
        }
        # Whoever is put off is built because a build has ended, not because time has passed.
        worker = WorkerServiceSettings(**blocks, worker=WorkerSettings(defer_seconds=600))
        web = GatewayServiceSettings(**blocks, gateway=GatewaySettings(port=port))
        async with (
            Database.open(blocks["database"], name="tests") as database,
            running(report_worker.serve, worker),
            running(gateway.serve, web),
        ):
            async with database.acquire() as connection:
                await connection.execute(SLOW)
            await until(lambda: is_ready(url), seconds=SECONDS, what="the gateway")
            made = World(database, own.database_url, url)
            yield made
            await made.close()


async def test_a_short_report_is_not_stuck_behind_long_ones(world: World) -> None:
    shop, neighbour = await world.shop(), await world.shop()
    await shop.has(LARGE_ROWS, "quick", JANUARY)
    await shop.has(LARGE_ROWS, "slow", JUNE)
    await neighbour.has(1, "quick", JANUARY)
    async with world.slow():
        long_ones = [await shop.ask() for _ in range(4)]
        await shop.begun(1)
        waiting = await shop.get(long_ones[-1])
        assert waiting["progress"]["queue_position"] > 1
        # The same store's, and another's.
        short = await shop.ready(await shop.ask("2021-01-31"))
        assert short["files"][0]["rows"] == LARGE_ROWS
        await neighbour.ready(await neighbour.ask())
        assert {(await shop.get(path))["status"] for path in long_ones} == {"queued"}
    for path in long_ones:
        assert (await shop.ready(path))["files"][0]["rows"] == 2 * LARGE_ROWS


async def test_a_store_that_asks_for_many_leaves_room_for_another(world: World) -> None:
    share = WorkerSettings().builds_per_store_max
    greedy, modest = await world.shop(), await world.shop()
    await greedy.has(1, "slow", JUNE)
    await modest.has(1, "quick", JANUARY)
    async with world.slow():
        many = [await greedy.ask() for _ in range(12)]
        await greedy.begun(share)
        for _ in range(3):
            await modest.ready(await modest.ask())
        queued = await greedy.begun(share)
        assert len(queued) == len(many)
        assert sum(one["attempts"] for one in queued) == share
    for path in many:
        assert (await greedy.ready(path))["attempts"] == 1


async def test_whoever_asks_for_many_waits_for_others_in_between(world: World) -> None:
    """Large reports, of which a worker builds one at a time."""
    greedy, modest = await world.shop(), await world.shop()
    await greedy.has(LARGE_ROWS + 1, "slow", JUNE)
    await modest.has(LARGE_ROWS + 1, "quick", JUNE)
    async with world.slow():
        paths = [await greedy.ask() for _ in range(4)]
        await greedy.begun(1)
        theirs = await modest.ask()
        last = await modest.ask()
        assert (await modest.get(theirs))["progress"]["queue_position"] == 4
    moments = {
        path: (await shop.ready(path))["download"]["name"].split(".")[1]
        for shop, several in ((greedy, paths), (modest, [theirs, last]))
        for path in several
    }
    order = sorted(moments, key=lambda path: moments[path])
    whose = ["modest" if path in (theirs, last) else "greedy" for path in order]
    assert whose == ["greedy", "modest", "greedy", "modest", "greedy", "greedy"]
