"""What the four services really send names the store, also where statements are put together.

They run in this process, as their own roles, on a database whose server writes down all that comes.
The story below goes on until each place that puts statements together has sent one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import postgast
import pytest

from devstack import ports
from services.aggregator import app as aggregator
from services.aggregator.settings import AggregatorServiceSettings, AggregatorSettings
from services.gateway import app as gateway
from services.gateway.settings import GatewayServiceSettings, GatewaySettings
from services.recorder import app as recorder
from services.recorder.settings import RecorderServiceSettings, RecorderSettings
from services.report_worker import app as report_worker
from services.report_worker.settings import WorkerServiceSettings, WorkerSettings
from shared.database import accounts
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.settings import (
    BrokerSettings,
    DatabaseSettings,
    ObjectStoreSettings,
    OperationsSettings,
    ReportSettings,
)
from tests.component.conftest import Client, blocks_of, is_ready, running
from tests.component.events import following
from tests.distribution import sources
from tests.distribution.across import ACROSS, COPIED, PUT_TOGETHER
from tests.distribution.catalogue import tables
from tests.distribution.naming import trees, unnamed
from tests.distribution.sent import Sent
from tests.engines import ROOT, EnginesUnderTest
from tests.waiting import until

SECONDS = 60
ALL = {"start_at": "2024-01-01T00:00:00Z", "end_at": "2024-12-31T23:59:59Z"}
RANGE = {"datetime_start": "2020-01-01 00:00:00", "datetime_end": "2030-01-01 00:00:00"}
CSV = {"Accept": "text/csv"}


@pytest.fixture
def blocks(
    sent: Sent,
    database_settings: DatabaseSettings,
    broker_settings: BrokerSettings,
    object_store_settings: ObjectStoreSettings,
) -> dict[str, Any]:
    """The settings that all services share; what they send is written down from the first on."""
    return {
        "database": database_settings,
        "broker": broker_settings,
        "object_store": object_store_settings,
        "operations": OperationsSettings(drain_seconds=7),
    }


@pytest.fixture
async def client(
    blocks: dict[str, Any], database: Database, store: Store, user_id: int
) -> AsyncIterator[Client]:
    """A caller of the services, which do at once what they would do in a while, and take every
    report for a large one."""
    (port,) = ports.reserve(ROOT / ".run" / "tests", 1)
    url = f"http://127.0.0.1:{port}"
    reports = ReportSettings(heartbeat_seconds=0.05, reap_seconds=0.2, large_rows=1)
    async with contextlib.AsyncExitStack() as stack:
        for serve, settings in (
            (
                recorder.serve,
                RecorderServiceSettings(
                    **blocks_of(blocks, "recorder"),
                    recorder=RecorderSettings(
                        rollup_sweep_seconds=0.3, rollup_check_seconds=0.3, rollup_asked_min=1
                    ),
                ),
            ),
            (
                aggregator.serve,
                AggregatorServiceSettings(
                    **blocks_of(blocks, "aggregator"),
                    aggregator=AggregatorSettings(rollup_overhead_rows=-1, wish_rows_min=0),
                ),
            ),
            (
                report_worker.serve,
                WorkerServiceSettings(
                    **blocks_of(blocks, "report_worker"),
                    reports=reports,
                    worker=WorkerSettings(janitor_seconds=0.3, abandoned_seconds=0),
                ),
            ),
            (
                gateway.serve,
                GatewayServiceSettings(
                    **blocks_of(blocks, "gateway"),
                    reports=reports,
                    gateway=GatewaySettings(port=port),
                ),
            ),
        ):
            await stack.enter_async_context(running(serve, settings))
        await until(lambda: is_ready(url), seconds=SECONDS, what="the gateway")
        async with database.acquire() as connection:
            token = await accounts.create_token(
                connection, user_id=user_id, store_id=store.store_id
            )
        session = await stack.enter_async_context(
            aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token.text}"})
        )
        yield Client(session, token.token_id, token.text)


@pytest.fixture
async def sent(world: EnginesUnderTest) -> Sent:
    if world.local is None:
        pytest.skip("needs the log of a server of ours")
    sent = Sent(world)
    await sent.tell()
    return sent


async def begin(client: Client) -> int:
    """A new register."""
    made = await client.post("/registers", {"name": "r", "meta": ["account", "place"]}, status=201)
    return int(made["id"])


def item(number: int) -> dict[str, Any]:
    return {
        "unique_key": f"k{number}",
        "amount": f"{number}.5",
        "originated_at": f"2024-0{number % 9 + 1}-08T10:07:00Z",
        "meta": {"account": "4000", "place": f"p{number}"},
    }


async def record(client: Client) -> int:
    """Of everything, twice: new, and known already. The register."""
    register_id = await begin(client)
    path = f"/registers/{register_id}"
    items = [item(number) for number in range(1, 7)]
    await client.post(f"{path}/items", items[:5])
    assert (await client.post(f"{path}/items", items))["inserted"] == 1
    await client.post(f"{path}/items/void", {"unique_key": "k1"})
    await client.call("PATCH", path, status=200, json={"name": "renamed"})
    await client.get("/registers")
    customer = {"id": 1, "email": "a@example.com", "date_created": "2024-01-01T00:00:00Z"}
    sale = {
        "id": "t1",
        "customer_id": 1,
        "transaction_date": "2024-02-01T00:00:00Z",
        "items": [{"sku": "s", "name": "n", "quantity": 2, "price": "5"}],
        "discounts": [{"code": "c", "amount": "1"}],
        "payments": [{"method": "card", "amount": "9", "paid_at": "2024-02-01T00:00:00Z"}],
    }
    lasting = {
        "id": "s1",
        "customer_id": 1,
        "sku": "s",
        "name": "n",
        "quantity": 1,
        "price": "5",
        "frequency": "1m",
        "start_date": "2024-01-01",
        "next_transaction_date": "2029-12-01",
    }
    for kind, one, other in (
        ("customers", customer, {"email": "b@example.com"}),
        ("transactions", sale, {"items": [{**sale["items"][0], "quantity": 3}], "payments": []}),
        ("subscriptions", lasting, {"price": "6"}),
    ):
        await client.post(f"/{kind}", [one])
        assert (await client.post(f"/{kind}", [{**one, **other}]))["replaced"] == 1
    return register_id


async def ask(client: Client, register_id: int) -> None:
    """Numbers, by every path: the plans of a question change as rollups are made."""
    # Labels before questions, which wish for rollups.
    path = f"/registers/{register_id}"
    await client.get(f"{path}/dimensions")
    await client.get(f"{path}/dimensions/account", params={"prefix": "4"})
    await client.get(f"{path}/items", params={"limit": 2})
    await client.call("GET", f"{path}/items", status=200, headers=CSV)
    for group_by in ([], ["account"]):
        question = {**ALL, "register_id": register_id, "group_by": group_by}
        await client.post("/reports/item_sum", {**question, "group_by_period": "month"})
        for start in (ALL["start_at"], "2024-01-01T00:00:01Z"):
            analysis = {
                **question,
                "start_at": start,
                "measures": ["count", "sum", "min", "max"],
                "totals": True,
                "compare": "previous_period",
            }
            await client.post("/reports/query", analysis)


async def is_held(database: Database, register_id: int) -> bool:
    """Whether a rollup by columns has all items of the register."""
    async with database.acquire() as connection:
        held = await connection.fetchval(
            "SELECT count(*) FROM rollups u JOIN registers r USING (store_id, register_id) "
            "WHERE u.register_id = $1 AND u.columns <> '{}' AND u.synced_version = r.version",
            register_id,
        )
    return bool(held)


async def report(client: Client, name: str, kind: str) -> None:
    """Asked for, watched until it is there, looked at and removed."""
    wanted = {"name": name, "format": kind, **RANGE}
    key = {"Idempotency-Key": f"{name} {kind}"}
    for _ in range(2):
        answer, _ = await client.call("POST", "/reports", status=201, json=wanted, headers=key)
    path = "/report/" + answer.headers["Location"].rpartition("/")[2]
    async with following(client.session, f"{path}/events") as stream:
        heard = [event for event in await stream.rest() if event.name]
    assert heard[-1].data["status"] == "ready", heard[-1]
    await client.get("/reports")
    await client.call("DELETE", path, status=204)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_all_that_is_sent_names_the_store(
    client: Client, sent: Sent, database: Database, user_id: int
) -> None:
    register_id = await record(client)
    await client.get("/store")
    await client.get(f"/users/{user_id}")
    for name, kind in (
        ("complete", "csv"),
        ("customers", "parquet"),
        ("customers_ltv", "xlsx"),
        ("customers", "jsonl"),
    ):
        await report(client, name, kind)

    # From items, for there is no rollup by columns yet; then from that, and then with a tail.
    await ask(client, register_id)
    await until(lambda: is_held(database, register_id), seconds=SECONDS, what="the rollup")
    await ask(client, register_id)
    async with database.transaction() as connection:
        # Nobody folds what is in somebody's hand.
        await connection.execute(
            "SELECT FROM rollups WHERE register_id = $1 FOR UPDATE", register_id
        )
        await client.post(f"/registers/{register_id}/items", [item(7)])
        await ask(client, register_id)

    async def all_seen() -> bool:
        return not _unseen(sent)

    try:
        await until(all_seen, seconds=SECONDS, what="every place to send what it puts together")
    finally:
        print("not sent:", _unseen(sent))  # noqa: T201 - shown with a failure

    async with database.acquire() as connection:
        of_stores = frozenset(row["table"] for row in await tables(connection) if row["has_store"])
    named = sources.named()
    known = {postgast.fingerprint(named[where]).hex for where in ACROSS}
    statements = sent.statements()
    roles = {role for who in statements.values() for role in who}
    assert roles == {"gateway", "recorder", "aggregator", "report_worker"}
    faults = []
    for text, who in statements.items():
        without = unnamed(text, of_stores)
        if without and not _is_copy(text) and postgast.fingerprint(text).hex not in known:
            faults.append(f"{', '.join(sorted(who))} without a store of {without}: {text}")
    assert faults == []
    assert len(statements) > 150, "hardly anything was written down"


def _unseen(sent: Sent) -> list[str]:
    statements = sent.statements()
    return [
        mark
        for _, _, marks, _ in PUT_TOGETHER
        for mark in marks
        if not any(re.search(mark, text, re.DOTALL) for text in statements)
    ]


def _is_copy(text: str) -> bool:
    """Whether it brings rows to a table that knows whose they are."""
    (tree,) = trees(text)
    copied = tree.get("CopyStmt", {})
    return "query" not in copied and copied.get("relation", {}).get("relname") in COPIED
