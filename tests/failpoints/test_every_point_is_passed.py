"""Every failpoint that is listed is really passed, and every commit that writes has one.

The four services run in this process, with a plan that counts. The story below goes through
everything: requests, batches, a large report, one that fails, one that is deleted, one given back.
That no point stands in the code that is not listed, is for the types: a point is a `Step`.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiormq.abc import AbstractChannel

from devstack import ports
from services.aggregator import app as aggregator
from services.aggregator.settings import AggregatorServiceSettings
from services.gateway import app as gateway
from services.gateway.settings import GatewayServiceSettings, GatewaySettings
from services.recorder import app as recorder
from services.recorder.settings import RecorderServiceSettings
from services.report_worker import app as report_worker
from services.report_worker.settings import WorkerServiceSettings, WorkerSettings
from shared import failpoints
from shared.contracts.rollups import RollupRequest
from shared.contracts.routes import BUILD_SMALL, BUILDS, DEAD_QUEUE
from shared.database import accounts
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.failpoints.plan import parse
from shared.failpoints.steps import POINTS
from shared.messaging.connection import Broker
from shared.messaging.publisher import Publisher
from shared.settings import (
    BrokerSettings,
    DatabaseSettings,
    ObjectStoreSettings,
    OperationsSettings,
    ReportSettings,
)
from tests.component.conftest import Client, is_ready, running
from tests.engines import ROOT
from tests.integration.report_worker.seeding import add_customers
from tests.waiting import until

SECONDS = 60
# More than fits in one part of an upload (5 MiB).
MANY = 40_000
RANGE = {"datetime_start": "2020-01-01 00:00:00", "datetime_end": "2030-01-01 00:00:00"}
REPORT = {"name": "customers", **RANGE}


def test_every_commit_that_writes_is_a_step() -> None:
    nameless = []
    for folder in ("services", "shared"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                owner = ast.unparse(node.func.value)
                if node.func.attr != "transaction" or not owner.endswith("database"):
                    continue
                words = {keyword.arg for keyword in node.keywords}
                if not words & {"step", "readonly"}:
                    nameless.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert nameless == []


@asynccontextmanager
async def _builds_held(settings: DatabaseSettings) -> AsyncIterator[None]:
    """Builds stay where they are: they read a table that nobody needs who asks for a report."""
    connection = await asyncpg.connect(settings.url.get_secret_value())
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


class Story:
    """A caller, and what becomes of the reports that it asks for."""

    def __init__(self, client: Client, database: Database) -> None:
        self.client = client
        self.database = database

    async def ask(self) -> str:
        response, _ = await self.client.call("POST", "/reports", status=201, json=REPORT)
        return "/report/" + response.headers["Location"].rpartition("/")[2]

    async def of_records(self, store: Store) -> RollupRequest:
        """A register with items, and a question; a wish for a rollup of it."""
        register = await self.client.post("/registers", {"name": "r", "meta": ["account"]}, 201)
        item = {
            "unique_key": "a",
            "amount": "0.1",
            "originated_at": "2024-01-08T10:00:00Z",
            "meta": {"account": "4000"},
        }
        await self.client.post(f"/registers/{register['id']}/items", [item])
        question = {
            "register_id": register["id"],
            "start_at": "2024-01-01T00:00:00Z",
            "end_at": "2024-12-31T23:59:59Z",
            "group_by": ["account"],
        }
        answer = await self.client.post("/reports/item_sum", question)
        assert [row["value"] for row in answer["count"]] == [0.1]
        return RollupRequest(
            store_id=store.store_id, register_id=register["id"], zone="UTC", columns=("meta0",)
        )

    async def of_reports(self, store: Store) -> None:
        """A small one and a large one, and then they are removed."""
        small = await self.ask()
        await self.ends(small, "ready")
        await add_customers(self.database, store.store_id, MANY)
        large = await self.ask()
        await self.ends(large, "ready")
        for path in (small, large):
            await self.client.call("DELETE", path, status=204)

        async def forgotten() -> bool:
            async with self.database.acquire() as connection:
                left = await connection.fetchval(
                    "SELECT count(*) FROM report_uploads WHERE store_id = $1", store.store_id
                )
            return bool(left == 0)

        await until(forgotten, seconds=SECONDS, what="the janitor to forget what was removed")

    async def ends(self, path: str, status: str) -> None:
        async def probe() -> bool:
            now: str = (await self.client.get(path))["status"]
            assert now in ("queued", status)
            return now == status

        await until(probe, seconds=SECONDS, what=f"{path} to be {status}")

    async def is_building(self, path: str) -> None:
        async def probe() -> bool:
            async with self.database.acquire() as connection:
                row = await connection.fetchval(
                    "SELECT status FROM reports WHERE report_id = $1",
                    int(path.rpartition("/")[2]),
                )
            return bool(row == "building")

        await until(probe, seconds=SECONDS, what=f"{path} to be built")


async def _publish(settings: BrokerSettings, wish: RollupRequest) -> None:
    """A wish, and something that does not parse, so that it is put away."""
    async with Broker.open(settings, "tests") as broker:
        await Publisher(broker).publish(wish)
        connection = await broker.publishing.wait_open()
        channel: AbstractChannel = await connection.channel()
        await channel.basic_publish(b"[", exchange=BUILDS, routing_key=BUILD_SMALL.name)

        async def put_away() -> bool:
            found = await channel.queue_declare(DEAD_QUEUE, passive=True)
            return bool(found.message_count)

        await until(put_away, seconds=SECONDS, what="a dead letter")


@pytest.fixture
def engine_blocks(
    database_settings: DatabaseSettings,
    broker_settings: BrokerSettings,
    object_store_settings: ObjectStoreSettings,
) -> dict[str, Any]:
    return {
        "database": database_settings,
        "broker": broker_settings,
        "object_store": object_store_settings,
    }


async def test_every_listed_point_is_passed(
    engine_blocks: dict[str, Any], database: Database, store: Store, user_id: int
) -> None:
    (port,) = ports.reserve(ROOT / ".run" / "tests", 1)
    url = f"http://127.0.0.1:{port}"
    blocks = {
        **engine_blocks,
        # Little enough that a worker which stops has no time to finish: it gives back.
        "operations": OperationsSettings(drain_seconds=7),
        "reports": ReportSettings(
            heartbeat_seconds=0.05,
            reap_seconds=0.2,
            attempts_max=2,
            backoff_seconds_min=0.01,
            backoff_seconds_max=0.02,
        ),
    }
    no_store = {name: blocks[name] for name in ("database", "broker", "operations")}
    worker = WorkerServiceSettings(
        **blocks,
        worker=WorkerSettings(janitor_seconds=0.2, abandoned_seconds=0, zip_over_bytes=100_000_000),
    )
    plans = [parse("")]
    failpoints.arm(plans[0])

    def follow(text: str) -> None:
        plans.append(parse(text))
        failpoints.arm(plans[-1])

    try:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(
                running(recorder.serve, RecorderServiceSettings(**no_store))
            )
            await stack.enter_async_context(
                running(
                    aggregator.serve,
                    AggregatorServiceSettings(**no_store),
                )
            )
            await stack.enter_async_context(
                running(
                    gateway.serve,
                    GatewayServiceSettings(**blocks, gateway=GatewaySettings(port=port)),
                )
            )
            async with database.acquire() as connection:
                token = await accounts.create_token(
                    connection, user_id=user_id, store_id=store.store_id
                )
            session = await stack.enter_async_context(
                aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token.text}"})
            )
            story = Story(Client(session, token.token_id, token.text), database)
            # Let go of after the worker has ended.
            held = await stack.enter_async_context(contextlib.AsyncExitStack())
            async with running(report_worker.serve, worker):
                await until(lambda: is_ready(url), seconds=SECONDS, what="the gateway")
                wish = await story.of_records(store)
                await story.of_reports(store)
                await _publish(engine_blocks["broker"], wish)
                # The store answers with an error each time: again, and then no more.
                follow("object.stat.before=exception")
                await story.ends(await story.ask(), "error")
                follow("")
                await held.enter_async_context(_builds_held(engine_blocks["database"]))
                await story.is_building(await story.ask())
    finally:
        failpoints.arm(None)
    passed = {point for plan in plans for point in plan.passed}
    assert POINTS - passed == set()
