"""How builds end: each ending made by really breaking what it depends on.

A build is held in the middle by a lock on `customers` that the test takes: its export waits.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from services.report_worker.janitor import Janitor
from services.report_worker.outcome import Ending, Outcome
from shared.contracts.reports import ReportFormat, ReportName
from shared.database import accounts, report_builds, report_uploads, reports
from shared.database.pool import Database
from shared.database.reports import Report
from shared.objects import BoundedPipe, ObjectStore, UploadedObject
from shared.settings import DatabaseSettings, ObjectStoreSettings
from tests.integration.report_worker.recorded import transactions
from tests.integration.report_worker.seeding import (
    World,
    add_customers,
    events,
    queue_report,
    row,
    uploads,
)
from tests.waiting import until

WAITING_EXPORTS = """
SELECT pid FROM pg_stat_activity
 WHERE wait_event_type = 'Lock' AND application_name = 'tests source'
"""


@asynccontextmanager
async def held(settings: DatabaseSettings) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Nobody reads customers meanwhile."""
    connection = await asyncpg.connect(settings.url.get_secret_value())
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
            yield connection
    finally:
        await connection.close()


async def waiting_export(database: Database) -> int:
    async def probe() -> int | None:
        async with database.acquire() as connection:
            return await connection.fetchval(WAITING_EXPORTS)

    return await until(probe, seconds=30, what="an export that waits for the lock")


async def test_two_workers_one_build(world: World) -> None:
    report = await queue_report(world.database, world.store_id, world.user_id)
    builders = [world.make_builder(f"worker {number}") for number in range(8)]
    claims = await asyncio.gather(
        *(builder.claim(report.store_id, report.report_id) for builder in builders)
    )
    assert sum(claim is not None for claim in claims) == 1


async def test_a_store_takes_no_more_than_its_share(world: World) -> None:
    waiting = [await queue_report(world.database, world.store_id, world.user_id) for _ in range(6)]
    builders = [world.make_builder(builds_per_store_max=2) for _ in waiting]
    claims = await asyncio.gather(
        *(
            builder.claim(report.store_id, report.report_id)
            for builder, report in zip(builders, waiting, strict=True)
        )
    )
    assert sum(claim is not None for claim in claims) == 2
    for claim, report in zip(claims, waiting, strict=True):
        now = await row(world.database, report)
        assert now is not None
        if claim is None:
            assert now.status == "queued"
            assert now.next_attempt_at > now.date_created


async def test_a_report_that_makes_way_for_another_store_s_stays_in_its_trace(world: World) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    first = await queue_report(world.database, world.store_id, world.user_id)
    second = await queue_report(world.database, world.store_id, world.user_id)
    async with world.database.acquire() as connection:
        other = await accounts.create_store(
            connection, name="Another", timezone="UTC", currency="USD"
        )
    await queue_report(world.database, other.store_id, world.user_id)
    builder = world.make_builder()
    assert await builder.claim(first.store_id, first.report_id) is not None
    taken = await builder.take(second.store_id, second.report_id, traceparent=trace)
    assert taken is not None
    assert taken.store_id != world.store_id
    async with world.database.acquire() as connection:
        promised = await connection.fetch(
            "SELECT headers, body FROM outbox WHERE store_id = $1", world.store_id
        )
    (again,) = promised
    assert json.loads(again["body"])["report_id"] == second.report_id
    assert again["headers"] == {"traceparent": trace}


async def test_a_lost_attempt_finishes_nothing_and_leaves_no_object(
    world: World, database_settings: DatabaseSettings
) -> None:
    await add_customers(world.database, world.store_id, 100)
    # One that is packed whatever its size writes its key down, and starts to upload, at once.
    report = await queue_report(world.database, world.store_id, world.user_id, compress=True)
    slow = world.make_builder("frozen", lease_seconds=0.001, heartbeat_seconds=600)
    first = await slow.claim(report.store_id, report.report_id)
    assert first is not None
    async with held(database_settings):
        building = asyncio.create_task(slow.build(first))
        await waiting_export(world.database)

        async def noted() -> bool:
            return len(await uploads(world.database, report)) == 1

        await until(noted, seconds=30, what="the first attempt has written down its key")
        quick = world.make_builder("quick")

        # Its lease is long over: another takes the report.
        async def take() -> Report | None:
            async with world.database.transaction() as connection:
                await report_builds.reap_expired(connection, attempts_max=5, spread_seconds=0)
            return await quick.claim(report.store_id, report.report_id)

        second = await until(take, seconds=30, what="the second claim")
    outcome = await building
    assert outcome.ending is Ending.LOST
    keys = await uploads(world.database, report)
    for key in keys:
        assert await world.objects.stat(key) is None
    assert (await quick.build(second)).ending is Ending.BUILT
    ready = await row(world.database, report)
    assert ready is not None
    assert (ready.status, ready.attempt, ready.rows_written) == ("ready", 2, 100)
    assert await events(world.database, report) == ["report.ready.v1"]


async def test_deleting_a_report_ends_its_build(
    world: World, database_settings: DatabaseSettings
) -> None:
    report = await queue_report(world.database, world.store_id, world.user_id)
    builder = world.make_builder(heartbeat_seconds=0.05)
    mine = await builder.claim(report.store_id, report.report_id)
    assert mine is not None
    async with held(database_settings):
        building = asyncio.create_task(builder.build(mine))
        await waiting_export(world.database)
        async with world.database.acquire() as connection:
            assert await reports.delete_report(connection, report.store_id, report.report_id)
        # The lock is still held: it is the heartbeat that ends the build.
        outcome = await asyncio.wait_for(building, timeout=10)
    assert outcome.ending is Ending.CANCELLED
    assert await events(world.database, report) == []


async def test_the_heartbeat_keeps_the_lease_and_tells_the_progress(
    world: World, database_settings: DatabaseSettings
) -> None:
    report = await queue_report(world.database, world.store_id, world.user_id)
    builder = world.make_builder(heartbeat_seconds=0.05, lease_seconds=600)
    mine = await builder.claim(report.store_id, report.report_id)
    assert mine is not None
    async with held(database_settings):
        building = asyncio.create_task(builder.build(mine))

        async def told() -> bool:
            now = await row(world.database, report)
            return now is not None and now.stage == "writing customers"

        await until(told, seconds=30, what="the stage in the row")
    assert (await building).ending is Ending.BUILT


async def test_a_large_report_learns_how_many_rows_to_expect(world: World) -> None:
    await add_customers(world.database, world.store_id, 15_000)
    async with world.database.acquire() as connection:
        await connection.execute("ANALYZE customers")
    report = await queue_report(world.database, world.store_id, world.user_id, is_large=True)
    assert report.rows_estimated is None
    builder = world.make_builder(heartbeat_seconds=0.01)
    mine = await builder.claim(report.store_id, report.report_id)
    assert mine is not None
    assert (await builder.build(mine)).ending is Ending.BUILT
    ready = await row(world.database, report)
    assert ready is not None
    assert 7_500 < (ready.rows_estimated or 0) < 30_000


async def test_a_backend_killed_in_mid_copy_is_tried_again_and_right(
    world: World, database_settings: DatabaseSettings
) -> None:
    await add_customers(world.database, world.store_id, 300_000)
    report = await queue_report(world.database, world.store_id, world.user_id)
    builder = world.make_builder(
        heartbeat_seconds=0.05, backoff_seconds_min=0.001, backoff_seconds_max=0.001
    )
    mine = await builder.claim(report.store_id, report.report_id)
    assert mine is not None
    building = asyncio.create_task(builder.build(mine))

    async def half_way() -> bool:
        now = await row(world.database, report)
        assert not building.done(), building.result()
        return now is not None and 0 < now.rows_written < 300_000

    await until(half_way, seconds=30, what="some rows written")
    async with world.database.acquire() as connection:
        killed = await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'COPY%' AND application_name = 'tests source' AND state = 'active'"
        )
    assert len(killed) == 1
    outcome: Outcome = await building
    assert outcome.ending is Ending.RETRYING
    assert outcome.failure is not None
    assert outcome.failure.code == "unavailable"
    for key in await uploads(world.database, report):
        assert await world.objects.stat(key) is None

    async def take() -> Report | None:
        return await builder.claim(report.store_id, report.report_id)

    again = await until(take, seconds=30, what="the second claim")
    assert (await builder.build(again)).ending is Ending.BUILT
    ready = await row(world.database, report)
    assert ready is not None
    assert (ready.rows_written, ready.attempt) == (300_000, 2)
    assert ready.object_key is not None
    assert ready.object_key.endswith(".zip")


async def test_attempts_are_counted_and_the_last_one_fails_the_report(
    world: World, object_store_settings: ObjectStoreSettings
) -> None:
    report = await queue_report(world.database, world.store_id, world.user_id)
    nowhere = object_store_settings.model_copy(
        update={"url": "http://127.0.0.1:9", "connect_seconds": 0.2}
    )
    endings = []
    async with ObjectStore.open(nowhere) as broken:
        builder = world.make_builder(
            store=broken,
            attempts_max=2,
            backoff_seconds_min=0.001,
            backoff_seconds_max=0.001,
        )
        for _ in range(2):

            async def take() -> Report | None:
                return await builder.claim(report.store_id, report.report_id)

            mine = await until(take, seconds=30, what="a claim")
            endings.append((await builder.build(mine)).ending)
    assert endings == [Ending.RETRYING, Ending.FAILED]
    now = await row(world.database, report)
    assert now is not None
    assert (now.status, now.failure_code) == ("error", "unavailable")
    assert now.failure_message
    assert await events(world.database, report) == ["report.failed.v1"]


async def test_a_mistake_of_ours_is_not_repeated(world: World) -> None:
    report = await queue_report(
        world.database, world.store_id, world.user_id, timezone="Mars/Phobos"
    )
    builder = world.make_builder()
    mine = await builder.claim(report.store_id, report.report_id)
    assert mine is not None
    outcome = await builder.build(mine)
    assert outcome.ending is Ending.FAILED
    now = await row(world.database, report)
    assert now is not None
    assert (now.status, now.failure_code) == ("error", "internal")


async def test_a_build_that_takes_too_long_says_so(
    world: World, database_settings: DatabaseSettings
) -> None:
    report = await queue_report(world.database, world.store_id, world.user_id)
    builder = world.make_builder(build_seconds_max=0.3)
    mine = await builder.claim(report.store_id, report.report_id)
    assert mine is not None
    async with held(database_settings):
        outcome = await asyncio.wait_for(builder.build(mine), timeout=10)
    assert outcome.ending is Ending.FAILED
    assert outcome.failure is not None
    assert outcome.failure.code == "deadline_exceeded"


async def test_a_stopping_worker_gives_the_report_back(
    world: World, database_settings: DatabaseSettings
) -> None:
    report = await queue_report(world.database, world.store_id, world.user_id)
    builder = world.make_builder()
    mine = await builder.claim(report.store_id, report.report_id)
    assert mine is not None
    async with held(database_settings):
        building = asyncio.create_task(builder.build(mine))
        await waiting_export(world.database)
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
    now = await row(world.database, report)
    assert now is not None
    assert (now.status, now.attempt, now.released) == ("queued", 1, 1)


async def test_the_janitor_removes_losers_and_keeps_the_winner(world: World) -> None:
    await add_customers(world.database, world.store_id, 10)
    report = await queue_report(world.database, world.store_id, world.user_id)
    builder = world.make_builder(lease_seconds=0.001, heartbeat_seconds=600)
    loser = await builder.claim(report.store_id, report.report_id)
    assert loser is not None
    async with world.database.acquire() as connection:
        key = f"store_{world.store_id}/loser"
        assert await report_uploads.note_upload(connection, loser, key)
    pipe = BoundedPipe()
    await pipe.write(b"half a report")
    pipe.close()
    await world.objects.upload(key, pipe, "text/csv")

    async def take() -> Report | None:
        async with world.database.transaction() as connection:
            await report_builds.reap_expired(connection, attempts_max=5, spread_seconds=0)
        return await builder.claim(report.store_id, report.report_id)

    winner = await until(take, seconds=30, what="the second claim")
    assert (await builder.build(winner)).ending is Ending.BUILT
    ready = await row(world.database, report)
    assert ready is not None
    assert ready.object_key is not None
    janitor = Janitor(world.database, world.objects, every_seconds=60, abandoned_seconds=0)
    await janitor.clean()
    assert await world.objects.stat(key) is None
    assert await world.objects.stat(ready.object_key) is not None
    assert await uploads(world.database, report) == [ready.object_key]

    async with world.database.acquire() as connection:
        await connection.execute(
            "UPDATE reports SET file_expires_at = now() - interval '1 second'"
            " WHERE store_id = $1 AND report_id = $2",
            world.store_id,
            report.report_id,
        )
    await janitor.clean()
    assert await world.objects.stat(ready.object_key) is None
    expired = await row(world.database, report)
    assert expired is not None
    assert expired.status == "ready"
    assert expired.file_removed_at is not None


class ForgetfulStore(ObjectStore):
    """A store that confirms what it does not keep."""

    async def upload(self, key: str, source: BoundedPipe, content_type: str) -> UploadedObject:
        uploaded = await super().upload(key, source, content_type)
        await self.remove(key)
        return uploaded


async def test_nothing_is_published_that_the_store_does_not_have(
    world: World, object_store_settings: ObjectStoreSettings
) -> None:
    report = await queue_report(world.database, world.store_id, world.user_id)
    async with ForgetfulStore.open(object_store_settings) as forgetful:
        builder = world.make_builder(store=forgetful)
        mine = await builder.claim(report.store_id, report.report_id)
        assert mine is not None
        outcome = await builder.build(mine)
    assert outcome.ending is Ending.RETRYING
    assert outcome.failure is not None
    assert outcome.failure.code == "object_mismatch"


async def test_a_number_that_needs_more_room_is_built_in_the_same_attempt(world: World) -> None:
    """The object's key is written down before the number is met; the second try has it as well."""
    line = {"sku": "A", "quantity": "1e30", "price": "0", "amount": "0"}
    sold = {"id": "t", "transaction_date": "2024-03-10T06:30:00Z", "items": [line]}
    await transactions(world.database, world.store_id, sold)
    report = await queue_report(
        *(world.database, world.store_id, world.user_id),
        name=ReportName.COMPLETE,
        format_=ReportFormat.PARQUET,
    )
    builder = world.make_builder()
    claimed = await builder.claim(report.store_id, report.report_id)
    assert claimed is not None
    outcome = await builder.build(claimed)
    assert (outcome.ending, outcome.failure) == (Ending.BUILT, None), outcome.error
    now = await row(world.database, report)
    assert now is not None
    assert await uploads(world.database, report) == [now.object_key]
