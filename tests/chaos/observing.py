"""Waiting until it is quiet, and then looking at everything that is there.

In: a system and its shops. Out: how long it took until every report had its final state and every
message was handled, and an `Observation` for the checker.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from uuid import UUID

import urllib3
from aio_pika.abc import AbstractIncomingMessage
from minio import Minio

from shared.contracts.routes import (
    BUILD_LARGE,
    BUILD_SMALL,
    DEAD_QUEUE,
    RECORDS,
    REPORT_REQUESTS,
    ROLLUP_WISHES,
)
from shared.database.pool import PASSING_ERRORS
from shared.rollups.checking import check as check_rollup
from tests.chaos.history import Change, Event, Ledger, Observation, ReportRow, StoredObject
from tests.chaos.shop import Shop
from tests.chaos.system import LISTENER, System, drain, ready_counts
from tests.engines import EnginesUnderTest
from tests.waiting import until

# What docs/reliability.md promises: the final state within so long after the last fault.
QUIET_SECONDS = 60.0
CLEAN_SECONDS = 30.0
WORK = [queue.name for queue in (BUILD_SMALL, BUILD_LARGE, REPORT_REQUESTS, RECORDS, ROLLUP_WISHES)]

_LEFT = """
SELECT (SELECT count(*) FROM reports
         WHERE store_id = ANY ($1) AND status IN ('queued', 'building'))
     + (SELECT count(*) FROM outbox WHERE store_id = ANY ($1))
"""
_LOSERS = """
SELECT count(*) FROM report_uploads u
 WHERE u.store_id = ANY ($1)
   AND NOT EXISTS (SELECT 1 FROM reports r
                    WHERE r.store_id = u.store_id AND r.report_id = u.report_id
                      AND r.object_key = u.object_key)
"""
_REPORTS = """
SELECT r.report_id, k.key, r.status, r.attempt, r.object_key, r.object_bytes, r.object_sha256,
       r.rows_written AS rows
  FROM reports r LEFT JOIN idempotency_keys k USING (store_id, report_id)
 WHERE r.store_id = ANY ($1)
"""
_CHANGES = """
SELECT report_id, status, attempt, object_key FROM chaos_changes
 WHERE store_id = ANY ($1) ORDER BY change_id
"""
_ITEMS = """
SELECT unique_key, (amount * 100)::bigint AS cents FROM register_items
 WHERE store_id = $1 AND register_id = $2
"""
_ROLLUPS = "SELECT rollup_id FROM rollups WHERE store_id = $1 AND register_id = $2"


async def quiet(system: System, shops: Sequence[Shop], *, seconds: float = QUIET_SECONDS) -> float:
    """Wait until nothing is left to do; how long that took. Stops waiting after `seconds`: what is
    stuck then is the checker's to say."""
    stores = [shop.store_id for shop in shops]
    began = time.monotonic()

    async def left() -> int:
        try:
            async with system.database.acquire() as connection:
                rows: int = await connection.fetchval(_LEFT, stores)
            if rows:
                return rows
            return sum((await ready_counts(system.world.broker_url, WORK)).values())
        except (*PASSING_ERRORS, ConnectionError):
            return 1

    await _wait(left, seconds)
    took = time.monotonic() - began

    async def losers() -> int:
        async with system.database.acquire() as connection:
            count: int = await connection.fetchval(_LOSERS, stores)
        return count

    await _wait(losers, min(seconds, CLEAN_SECONDS))
    return took


async def _wait(left: Callable[[], Awaitable[int]], seconds: float) -> None:
    async def nothing_left() -> bool:
        return not await left()

    with contextlib.suppress(AssertionError):
        await until(nothing_left, seconds=seconds, what="quiet")


async def observe(system: System, shops: Sequence[Shop]) -> Observation:
    """Everything about the shops' stores."""
    stores = [shop.store_id for shop in shops]
    async with system.database.acquire() as connection:
        reports = await connection.fetch(_REPORTS, stores)
        changes = await connection.fetch(_CHANGES, stores)
        outbox = await connection.fetchval(
            "SELECT count(*) FROM outbox WHERE store_id = ANY ($1)", stores
        )
    objects = await asyncio.to_thread(_objects, system.world, stores)
    ledgers = [await _ledger(system, shop) for shop in shops]
    events = await drain(system.world.broker_url, LISTENER)
    dead = await drain(system.world.broker_url, DEAD_QUEUE)
    return Observation(
        reports=tuple(ReportRow(**row) for row in reports),
        objects=tuple(objects),
        changes=tuple(Change(**row) for row in changes),
        events=tuple(_events(events, stores)),
        ledgers=tuple(ledgers),
        queued=await ready_counts(system.world.broker_url, WORK),
        dead=tuple(message.message_id or "" for message in dead),
        outbox=outbox,
    )


async def _ledger(system: System, shop: Shop) -> Ledger:
    count, cents = await shop.sum_of_items()
    async with system.database.acquire() as connection:
        items = await connection.fetch(_ITEMS, shop.store_id, shop.register_id)
        rollups = await connection.fetch(_ROLLUPS, shop.store_id, shop.register_id)
    checked = [
        await check_rollup(system.database, shop.store_id, row["rollup_id"]) for row in rollups
    ]
    return Ledger(
        shop.register_id,
        tuple((row["unique_key"], row["cents"]) for row in items),
        told_count=count,
        told_cents=cents,
        rollup_disagreements=sum(one.disagreements for one in checked),
    )


def _objects(world: EnginesUnderTest, stores: Iterable[int]) -> list[StoredObject]:
    """Every object below the stores' folders, read and hashed."""
    store = world.object_store
    client = Minio(
        store.endpoint.partition("//")[2],
        store.access_key,
        store.secret_key,
        secure=False,
        region=store.region,
        http_client=urllib3.PoolManager(timeout=urllib3.Timeout(connect=2, read=30)),
    )
    found = []
    for store_id in stores:
        for listed in client.list_objects(store.bucket, f"store_{store_id}/", recursive=True):
            if listed.object_name is None:
                continue
            response = client.get_object(store.bucket, listed.object_name)
            try:
                body = response.read()
            finally:
                response.close()
                response.release_conn()
            digest = hashlib.sha256(body).hexdigest()
            found.append(StoredObject(listed.object_name, len(body), digest))
    return found


def _events(messages: Iterable[AbstractIncomingMessage], stores: list[int]) -> Iterable[Event]:
    for message in messages:
        content = json.loads(message.body)
        if content["store_id"] in stores:
            yield Event(
                content["kind"],
                str(UUID(content["message_id"])),
                report_id=content.get("report_id"),
                register_id=content.get("register_id"),
                inserted=content.get("inserted"),
            )
