"""Worker processes that are killed, frozen and stopped in the middle of a build."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg
import pytest
from minio import Minio

from shared.database.pool import Database
from shared.database.reports import Report
from shared.objects import ObjectStore
from shared.objects.stale_uploads import list_uploads
from shared.settings import DatabaseSettings, ObjectStoreSettings
from tests.component.report_worker.conftest import StartWorker, Worker
from tests.integration.report_worker.seeding import add_customers, queue_report, row, uploads
from tests.waiting import until

# On a busy machine everything takes a few times longer.
PATIENCE_SECONDS = 120
pytestmark = pytest.mark.timeout(300)

WAITING_EXPORTS = """
SELECT count(*) FROM pg_stat_activity
 WHERE wait_event_type = 'Lock' AND application_name = 'report_worker source'
   AND datname = current_database()
"""
IDLE_TRANSACTIONS = """
SELECT count(*) FROM pg_stat_activity
 WHERE state = 'idle in transaction' AND application_name = 'report_worker'
   AND datname = current_database() AND now() - state_change > interval '1 second'
"""
HOLDER = "SELECT worker FROM reports WHERE store_id = $1 AND report_id = $2"


@dataclass(frozen=True)
class Shop:
    """A store of the test's own, and a way to look at what the workers do."""

    database: Database
    database_settings: DatabaseSettings
    objects: ObjectStore
    store_id: int
    user_id: int

    async def ask(self, *, dispatch: bool = True, **options: object) -> Report:
        return await queue_report(
            self.database,
            self.store_id,
            self.user_id,
            dispatch=dispatch,
            **options,  # type: ignore[arg-type]
        )

    async def ready(self, report: Report) -> Report:
        async def probe() -> Report | None:
            now = await row(self.database, report)
            return now if now is not None and now.status in ("ready", "error") else None

        return await until(probe, seconds=PATIENCE_SECONDS, what="the end of the report")

    async def waiting(self, count: int) -> None:
        """Until so many exports wait for the lock that the test holds."""

        async def probe() -> bool:
            async with self.database.acquire() as connection:
                return await connection.fetchval(WAITING_EXPORTS) == count

        await until(probe, seconds=PATIENCE_SECONDS, what=f"{count} exports in the middle")

    async def idle_transaction(self) -> None:
        """Until a worker does nothing in the middle of a transaction."""

        async def probe() -> bool:
            async with self.database.acquire() as connection:
                return await connection.fetchval(IDLE_TRANSACTIONS) == 1

        await until(probe, seconds=PATIENCE_SECONDS, what="a transaction in the middle")

    async def builder_of(self, report: Report, workers: list[Worker]) -> Worker:
        """Which process has the report."""
        async with self.database.acquire() as connection:
            name = await connection.fetchval(HOLDER, report.store_id, report.report_id)
        return next(worker for worker in workers if name.split(":")[1] == str(worker.pid))

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Nobody reads customers meanwhile: builds stay where they are."""
        connection = await asyncpg.connect(self.database_settings.url.get_secret_value())
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
                yield
        finally:
            await connection.close()


@pytest.fixture
def shop(
    worker_database: Database,
    worker_database_settings: DatabaseSettings,
    worker_objects: ObjectStore,
    tenant: tuple[int, int],
) -> Shop:
    return Shop(worker_database, worker_database_settings, worker_objects, *tenant)


async def only_the_winner_is_left(shop: Shop, ready: Report) -> None:
    async def probe() -> bool:
        return await uploads(shop.database, ready) == [ready.object_key]

    await until(probe, seconds=30, what="the janitor has removed what the others left")
    assert ready.object_key is not None
    stored = await shop.objects.stat(ready.object_key)
    assert stored is not None
    assert stored.bytes == ready.object_bytes


async def test_a_worker_killed_in_mid_upload_is_replaced(
    shop: Shop, start_worker: StartWorker, object_store_settings: ObjectStoreSettings
) -> None:
    await add_customers(shop.database, shop.store_id, 300_000)
    plain = {"TALLYPORT_WORKER_ZIP_OVER_BYTES": "100000000"}
    workers = [await start_worker(**plain), await start_worker(**plain)]
    report = await shop.ask()
    client = Minio(
        urlsplit(object_store_settings.url).netloc,
        object_store_settings.access_key,
        object_store_settings.secret_key.get_secret_value(),
        secure=False,
        region=object_store_settings.region,
    )

    async def half_sent() -> list[str]:
        keys = await uploads(shop.database, report)
        for key in keys:
            found = await asyncio.to_thread(list_uploads, client, object_store_settings.bucket, key)
            if found.uploads:
                return keys
        return []

    (lost,) = await until(half_sent, seconds=PATIENCE_SECONDS, what="an upload in the middle")
    (await shop.builder_of(report, workers)).signal(signal.SIGKILL)
    ready = await shop.ready(report)
    assert (ready.status, ready.attempt, ready.rows_written) == ("ready", 2, 300_000)
    assert len(ready.files) == 1
    assert ready.object_key != lost
    await only_the_winner_is_left(shop, ready)
    assert await shop.objects.stat(lost) is None
    for key in (lost, ready.object_key):
        assert key is not None
        assert not list_uploads(client, object_store_settings.bucket, key).uploads


async def test_a_worker_that_wakes_up_after_its_lease_finishes_nothing(
    shop: Shop, start_worker: StartWorker
) -> None:
    await add_customers(shop.database, shop.store_id, 1_000)
    # The broker goes on sending to a frozen worker until it has missed two heartbeats.
    soon = {"TALLYPORT_BROKER_HEARTBEAT_SECONDS": "3"}
    workers = [await start_worker(**soon), await start_worker(**soon)]
    async with shop.held():
        report = await shop.ask()
        await shop.waiting(1)
        frozen = await shop.builder_of(report, workers)
        frozen.signal(signal.SIGSTOP)
        await shop.waiting(2)
    ready = await shop.ready(report)
    assert (ready.status, ready.attempt) == ("ready", 2)
    frozen.signal(signal.SIGCONT)

    async def noticed() -> bool:
        return "lost" in await frozen.endings()

    await until(noticed, seconds=30, what="the frozen worker notices")
    assert await frozen.endings() == {"lost"}
    after = await row(shop.database, report)
    assert after is not None
    assert (after.object_key, after.ready_at) == (ready.object_key, ready.ready_at)
    await only_the_winner_is_left(shop, ready)


async def test_a_worker_frozen_in_the_middle_of_a_transaction_holds_nobody_up(
    shop: Shop, start_worker: StartWorker
) -> None:
    """It keeps the lock that lets one worker at a time see to it that no report is stuck."""
    await add_customers(shop.database, shop.store_id, 10)
    frozen = await start_worker(TALLYPORT_FAILPOINTS="report.reap.before=hang:300,hit=1")
    await shop.idle_transaction()
    frozen.signal(signal.SIGSTOP)
    await start_worker()
    ready = await shop.ready(await shop.ask(dispatch=False))
    assert ready.status == "ready"


async def test_deleting_a_report_ends_its_build(shop: Shop, start_worker: StartWorker) -> None:
    worker = await start_worker()
    async with shop.held():
        report = await shop.ask()
        await shop.waiting(1)
        async with shop.database.acquire() as connection:
            await connection.execute(
                "DELETE FROM reports WHERE store_id = $1 AND report_id = $2",
                report.store_id,
                report.report_id,
            )

        async def cancelled() -> bool:
            return await worker.endings() == {"cancelled"}

        await until(cancelled, seconds=30, what="the worker notices")
        await shop.waiting(0)


async def test_a_stopping_worker_finishes_what_it_has_in_hand(
    shop: Shop, start_worker: StartWorker
) -> None:
    worker = await start_worker()
    async with shop.held():
        report = await shop.ask()
        await shop.waiting(1)
        worker.signal(signal.SIGTERM)

        async def stopping() -> bool:
            return "shutting down" in await worker.page("/readyz")

        await until(stopping, seconds=30, what="the worker hears of it")
    assert await asyncio.wait_for(worker.process.wait(), timeout=30) == 0
    ready = await row(shop.database, report)
    assert ready is not None
    assert (ready.status, ready.attempt, ready.released) == ("ready", 1, 0)


async def test_a_stopping_worker_gives_back_what_it_cannot_finish(
    shop: Shop, start_worker: StartWorker
) -> None:
    worker = await start_worker(TALLYPORT_OPERATIONS_DRAIN_SECONDS="6.5")
    async with shop.held():
        report = await shop.ask()
        await shop.waiting(1)
        worker.signal(signal.SIGTERM)
        assert await asyncio.wait_for(worker.process.wait(), timeout=30) == 0
        now = await row(shop.database, report)
        assert now is not None
        assert (now.status, now.attempt, now.released) == ("queued", 1, 1)
    await start_worker()
    assert (await shop.ready(report)).status == "ready"


async def test_full_slots_leave_messages_to_others(shop: Shop, start_worker: StartWorker) -> None:
    slots = {"TALLYPORT_WORKER_SMALL_SLOTS": "1", "TALLYPORT_WORKER_LARGE_SLOTS": "1"}
    first = await start_worker(**slots, TALLYPORT_WORKER_BUILDS_PER_STORE_MAX="9")
    async with shop.held():
        reports = [await shop.ask(), await shop.ask(), await shop.ask(is_large=True)]
        await shop.waiting(2)
        large = await row(shop.database, reports[2])
        assert large is not None
        assert large.status == "building"
        second = await start_worker(**slots, TALLYPORT_WORKER_BUILDS_PER_STORE_MAX="9")
        await shop.waiting(3)
        owners = [await shop.builder_of(report, [first, second]) for report in reports]
        assert sorted(owner.pid for owner in owners[:2]) == sorted([first.pid, second.pid])
    for report in reports:
        assert (await shop.ready(report)).status == "ready"


@pytest.mark.slow
async def test_memory_does_not_grow_with_the_report(shop: Shop, start_worker: StartWorker) -> None:
    worker = await start_worker()
    peaks = []
    for count in (10_000, 300_000):
        async with shop.database.acquire() as connection:
            await connection.execute("DELETE FROM customers WHERE store_id = $1", shop.store_id)
        await add_customers(shop.database, shop.store_id, count)
        for compress in (False, True):
            ready = await shop.ready(await shop.ask(compress=compress))
            assert (ready.status, ready.rows_written) == ("ready", count)
        peaks.append(worker.peak_mib())
    assert peaks[1] < 200
    assert peaks[1] - peaks[0] < 64
