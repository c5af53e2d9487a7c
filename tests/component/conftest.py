"""The four services in the test's own process, on real engines: only the sockets are local."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from devstack import broker_users as users
from devstack import ports
from services.aggregator import app as aggregator
from services.aggregator.settings import AggregatorServiceSettings
from services.gateway import app as gateway
from services.gateway.settings import GatewayServiceSettings, GatewaySettings
from services.recorder import app as recorder
from services.recorder.settings import RecorderServiceSettings
from services.report_worker import app as report_worker
from services.report_worker.settings import WorkerServiceSettings
from shared.database import accounts
from shared.database.accounts import Scope, Store
from shared.database.pool import Database
from shared.messaging.connection import Broker
from shared.settings import (
    BrokerSettings,
    DatabaseSettings,
    ObjectStoreSettings,
    OperationsSettings,
)
from tests.component.events import Play
from tests.engines import ROOT, EnginesUnderTest
from tests.integration.report_worker.seeding import queue_report
from tests.roles import as_role
from tests.waiting import until
from tests.worlds import broker_settings, database, database_settings, world

__all__ = ["broker_settings", "database", "database_settings", "world"]

START_SECONDS = 30.0
_numbers = itertools.count(1)
Serve = Callable[[Any, asyncio.Event], Awaitable[None]]


@contextlib.asynccontextmanager
async def running(serve: Serve, settings: Any) -> AsyncIterator[None]:
    """One service, from start to graceful stop. A service that ends early fails the test."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(serve(settings, stop))
    try:
        yield
        assert not task.done(), f"the service ended by itself: {task}"
    finally:
        stop.set()
        await asyncio.wait({task}, timeout=START_SECONDS)
        if not task.done():
            for other in asyncio.all_tasks():
                other.print_stack(limit=4)
            task.cancel()
            await asyncio.wait({task}, timeout=START_SECONDS)
            raise TimeoutError(f"the service did not stop within {START_SECONDS:g} s: {task}")
        await task


async def is_ready(url: str) -> bool:
    """Whether the gateway at this address can work."""
    with contextlib.suppress(aiohttp.ClientError):
        async with aiohttp.request("GET", f"{url}/readyz") as response:
            return response.status == 200
    return False


@pytest.fixture(scope="package")
async def broker_users(
    world: EnginesUnderTest, broker_settings: BrokerSettings
) -> dict[str, BrokerSettings]:
    """How each service connects to a broker on which everything is declared already, as deployments
    do; empty where the node is not ours to make users on."""
    if not world.local:
        return {}
    async with Broker.open(broker_settings, "deployment") as broker:
        assert broker.problems() == []
    return {
        service: BrokerSettings(url=(SecretStr(users.url_of(world.broker_url, service)),))
        for service in ("gateway", "recorder", "aggregator", "report_worker")
    }


@pytest.fixture(scope="package")
def blocks(
    database_settings: DatabaseSettings,
    broker_settings: BrokerSettings,
    object_store_settings: ObjectStoreSettings,
    broker_users: dict[str, BrokerSettings],
) -> dict[str, Any]:
    """The settings that all services share."""
    return {
        "database": database_settings,
        "broker": broker_settings,
        "broker_users": broker_users,
        "object_store": object_store_settings,
        "operations": OperationsSettings(port=0, drain_seconds=10),
    }


def blocks_of(blocks: dict[str, Any], service: str) -> dict[str, Any]:
    """The same for one service: it is somebody of its own to the database and to the broker."""
    blocks = {**blocks, "database": as_role(blocks["database"], service)}
    if users := blocks.pop("broker_users", None):
        blocks["broker"] = users[service]
    if service in ("recorder", "aggregator"):
        del blocks["object_store"]
    return blocks


@pytest.fixture(scope="package")
async def base_url(blocks: dict[str, Any]) -> AsyncIterator[str]:
    """All four services, up and ready; the gateway's address."""
    (port,) = ports.reserve(ROOT / ".run" / "tests", 1)
    url = f"http://127.0.0.1:{port}"
    async with (
        running(recorder.serve, RecorderServiceSettings(**blocks_of(blocks, "recorder"))),
        running(aggregator.serve, AggregatorServiceSettings(**blocks_of(blocks, "aggregator"))),
        running(report_worker.serve, WorkerServiceSettings(**blocks_of(blocks, "report_worker"))),
        running(
            gateway.serve,
            GatewayServiceSettings(
                **blocks_of(blocks, "gateway"), gateway=GatewaySettings(port=port)
            ),
        ),
    ):
        await until(lambda: is_ready(url), seconds=START_SECONDS, what="the gateway to be ready")
        yield url


class Client:
    """A caller: a session with a token, and the JSON of its answers."""

    def __init__(self, session: aiohttp.ClientSession, token_id: int, token: str) -> None:
        self.session = session
        self.token_id = token_id
        self.token = token

    async def call(
        self, method: str, path: str, *, status: int | None = None, **options: Any
    ) -> tuple[aiohttp.ClientResponse, Any]:
        """(response, parsed body). With `status` the answer must have it."""
        async with self.session.request(method, path, **options) as response:
            body = await response.read()
            if status is not None:
                assert response.status == status, body.decode()[:1000]
            is_json = "json" in response.content_type and body
            return response, (await response.json(content_type=None) if is_json else body)

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return (await self.call("GET", path, status=status, **options))[1]

    async def post(self, path: str, content: Any, status: int = 200, **options: Any) -> Any:
        return (await self.call("POST", path, status=status, json=content, **options))[1]


MakeClient = Callable[..., Awaitable[Client]]


@pytest.fixture
async def make_client(base_url: str, database: Database) -> AsyncIterator[MakeClient]:
    """Make a caller: of a store, or with a service token; with the scopes given."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(
            store: Store | None, *scopes: Scope, headers: dict[str, str] | None = None
        ) -> Client:
            async with database.acquire() as connection:
                user = await accounts.create_user(
                    connection, email=f"caller{next(_numbers)}@{id(stack)}.example.com"
                )
                if store is not None:
                    await accounts.add_member(
                        connection, store_id=store.store_id, user_id=user.user_id
                    )
                token = await accounts.create_token(
                    connection,
                    user_id=user.user_id,
                    store_id=store.store_id if store else None,
                    scopes=scopes or (Scope.READ, Scope.WRITE),
                )
            session = aiohttp.ClientSession(
                base_url,
                headers={"Authorization": f"Bearer {token.text}", **(headers or {})},
                timeout=aiohttp.ClientTimeout(total=60),
            )
            await stack.enter_async_context(session)
            return Client(session, token.token_id, token.text)

        yield make


@pytest.fixture
async def client(make_client: MakeClient, store: Store) -> Client:
    """A caller of the test's own store."""
    return await make_client(store)


MakePlay = Callable[[], Awaitable[Play]]


@pytest.fixture
async def make_play(database: Database, store: Store, user_id: int) -> AsyncIterator[MakePlay]:
    """Make a report of the test's own store that the test builds itself, as far as it likes."""

    async def make() -> Play:
        play = Play(database, await queue_report(database, store.store_id, user_id))
        await play.hide()
        return play

    yield make
    # No worker has to build what a test has left.
    async with database.acquire() as connection:
        await connection.execute("DELETE FROM reports WHERE store_id = $1", store.store_id)
