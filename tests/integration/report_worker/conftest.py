"""A builder on real engines, without a process around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.report_worker.aftermath import Aftermath
from services.report_worker.build_report import ReportBuilder
from services.report_worker.production import Production
from services.report_worker.settings import WorkerSettings
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.database.replica import ReadSources
from shared.messaging.connection import Broker
from shared.messaging.publisher import Publisher
from shared.objects import ObjectStore
from shared.relay import Relay
from shared.settings import (
    BrokerSettings,
    DatabaseSettings,
    ObjectStoreSettings,
    ReportSettings,
)
from tests.integration.report_worker.seeding import World
from tests.roles import as_role

MakeBuilder = Callable[..., ReportBuilder]


@pytest.fixture(scope="session")
async def objects(object_store_settings: ObjectStoreSettings) -> AsyncIterator[ObjectStore]:
    async with ObjectStore.open(object_store_settings) as opened:
        await opened.ensure_bucket()
        yield opened


@pytest.fixture(scope="session")
async def source(database_settings: DatabaseSettings) -> AsyncIterator[Database]:
    own = as_role(database_settings, "report_worker")
    async with Database.open(own, name="tests source", pool_max=4) as opened:
        yield opened


@pytest.fixture(scope="session")
async def broker(broker_settings: BrokerSettings) -> AsyncIterator[Broker]:
    async with Broker.open(broker_settings, "tests") as opened:
        yield opened


@pytest.fixture(scope="session")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4, "zip") as executor:
        yield executor


@pytest.fixture
def make_builder(
    database: Database,
    source: Database,
    objects: ObjectStore,
    broker: Broker,
    threads: ThreadPoolExecutor,
) -> MakeBuilder:
    """`make_builder(worker="a", zip_over_bytes=..., heartbeat_seconds=...)`."""
    relay = Relay(database, Publisher(broker))

    def make(
        worker: str = "tests",
        *,
        store: ObjectStore = objects,
        zip_over_bytes: int = 10_000_000,
        build_seconds_max: float = 60.0,
        connections_max: int = 2,
        builds_per_store_max: int = 10,
        **settings: float,
    ) -> ReportBuilder:
        report_settings = ReportSettings(**settings)  # type: ignore[arg-type]
        return ReportBuilder(
            worker,
            database,
            Production(
                ReadSources(source),
                store,
                threads,
                zip_over_bytes,
                build_seconds_max,
                connections_max,
            ),
            Aftermath(database, store, relay, report_settings),
            relay,
            WorkerSettings(builds_per_store_max=builds_per_store_max),
            report_settings,
        )

    return make


@pytest.fixture
def world(
    database: Database, objects: ObjectStore, store: Store, user_id: int, make_builder: MakeBuilder
) -> World:
    return World(database, objects, store.store_id, user_id, make_builder)
