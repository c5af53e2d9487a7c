"""Answers and reports from a replica hold all that anybody was told is recorded: while it follows,
while it lags, when it dies. The replica is real, made by pg_basebackup."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from devstack import database_roles
from devstack.postgres import Postgres
from services.report_worker.copying import snapshot
from shared.database import replica as reading
from shared.database.accounts import Store
from shared.database.pool import Connection, Database
from shared.database.replica import ReadSources, Source, Used
from shared.settings import DatabaseSettings
from tests.chaos import profile
from tests.component.conftest import Client
from tests.waiting import until

CAUGHT_UP_SECONDS = 20.0
YEAR = {"start_at": "2024-01-01T00:00:00Z", "end_at": "2025-01-01T00:00:00Z"}
ON_REPLICA = ';desc="replica"'
_keys = itertools.count(1)


def reads(outcome: Used) -> float:
    """So many readings of this process have ended so."""
    labels = {"outcome": outcome.value}
    return REGISTRY.get_sample_value("tallyport_replica_reads_total", labels) or 0.0


async def make_register(client: Client) -> int:
    made = await client.post("/registers", {"name": "r", "meta": ["who"]}, status=201)
    return int(made["id"])


async def record(client: Client, register_id: int, count: int = 1) -> None:
    """Items, until the answer says that they are recorded."""
    items = [
        {
            "unique_key": f"k{next(_keys)}",
            "amount": "1.10",
            "originated_at": "2024-05-05T12:00:00Z",
            "meta": {"who": "x"},
        }
        for _ in range(count)
    ]
    answer = await client.post(f"/registers/{register_id}/items", items)
    assert answer == {"inserted": count, "duplicates": 0}


async def count_of(client: Client, register_id: int) -> tuple[int, bool]:
    """(how many items there are, whether the replica says so)."""
    response, rows = await client.call(
        "POST", "/reports/item_count", status=200, json={"register_id": register_id, **YEAR}
    )
    (row,) = rows["count"]
    return int(row["value"]), ON_REPLICA in response.headers["Server-Timing"]


async def until_used(client: Client, register_id: int) -> None:
    """Until the replica answers."""

    async def used() -> bool:
        return (await count_of(client, register_id))[1]

    await until(used, seconds=CAUGHT_UP_SECONDS, what="an answer from the replica")


@asynccontextmanager
async def paused(replica: Postgres) -> AsyncIterator[None]:
    """The replica receives and does not replay. Over when it has begun to again."""
    await asyncio.to_thread(replica.psql, "SELECT pg_wal_replay_pause()")

    async def is_paused() -> bool:
        state = await asyncio.to_thread(replica.psql, "SELECT pg_get_wal_replay_pause_state()")
        return state == "paused"

    try:
        # It takes effect with the next piece of the log.
        await until(is_paused, seconds=CAUGHT_UP_SECONDS, what="the replay to pause")
        yield
    finally:
        await asyncio.to_thread(replica.psql, "SELECT pg_wal_replay_resume()")


async def test_what_is_recorded_is_answered_while_the_replica_follows(client: Client) -> None:
    register_id = await make_register(client)
    await record(client, register_id, 3)
    await until_used(client, register_id)
    before = reads(Used.REPLICA)
    assert await count_of(client, register_id) == (3, True)
    response, answer = await client.call(
        "POST",
        "/reports/query",
        status=200,
        json={"register_id": register_id, "measures": ["count", "sum"], **YEAR},
    )
    assert ON_REPLICA in response.headers["Server-Timing"]
    assert answer["rows"][0]["values"]["count"] == 3
    response, found = await client.call("GET", f"/registers/{register_id}/dimensions", status=200)
    assert ON_REPLICA in response.headers["Server-Timing"]
    assert found["dimensions"][0]["items"] == 3
    assert reads(Used.REPLICA) == before + 3


async def test_a_replica_that_lags_is_not_asked(client: Client, replica: Postgres) -> None:
    register_id = await make_register(client)
    await record(client, register_id, 1)
    await until_used(client, register_id)
    async with paused(replica):
        behind = reads(Used.BEHIND)
        for written in range(2, 6):
            await record(client, register_id)
            assert await count_of(client, register_id) == (written, False)
        assert reads(Used.BEHIND) == behind + 4
    await until_used(client, register_id)
    assert (await count_of(client, register_id))[0] == 5


async def test_without_the_check_the_old_answer_shows(
    client: Client, replica: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other tests would see if nothing were compared."""
    register_id = await make_register(client)
    await record(client, register_id, 1)
    await until_used(client, register_id)

    async def believe(_self: object, _connection: Connection) -> None:
        return None

    async with paused(replica):
        await record(client, register_id)
        monkeypatch.setattr(reading._Replayed, "_catch_up", believe)
        assert await count_of(client, register_id) == (1, True)
        monkeypatch.undo()
        assert await count_of(client, register_id) == (2, False)


async def test_writers_and_askers_at_once_while_the_lag_comes_and_goes(
    client: Client, replica: Postgres
) -> None:
    rounds, writers = profile.rounds(short=12, long=200), 4
    registers = [await make_register(client) for _ in range(writers)]
    for register_id in registers:
        await record(client, register_id)
    await until_used(client, registers[0])
    stale: list[tuple[int, int]] = []
    by_replica: list[bool] = []
    is_over = asyncio.Event()
    dice = random.Random(profile.SEED)  # noqa: S311 - a seed that is printed

    async def write_and_ask(register_id: int) -> None:
        for written in range(2, rounds + 2):
            await record(client, register_id)
            answers = await asyncio.gather(*(count_of(client, register_id) for _ in range(3)))
            stale.extend((count, written) for count, _ in answers if count != written)
            by_replica.extend(on_replica for _, on_replica in answers)

    async def lag() -> None:
        while not is_over.is_set():
            async with paused(replica):
                await asyncio.sleep(dice.uniform(0.05, 0.3))
            await asyncio.sleep(dice.uniform(0.05, 0.5))

    lagging = asyncio.create_task(lag())
    await asyncio.gather(*map(write_and_ask, registers))
    is_over.set()
    await lagging
    assert stale == []
    assert len(by_replica) == 3 * rounds * writers
    assert {*by_replica} == {True, False}, "both have answered"


async def test_answers_go_on_when_the_replica_dies(client: Client, replica: Postgres) -> None:
    register_id = await make_register(client)
    await record(client, register_id)
    await until_used(client, register_id)
    is_over = asyncio.Event()
    by_replica: list[bool] = []

    async def ask() -> None:
        while not is_over.is_set():
            count, on_replica = await count_of(client, register_id)
            assert count == 1
            by_replica.append(on_replica)

    broken = reads(Used.BROKEN)
    async with asyncio.TaskGroup() as askers:
        for _ in range(4):
            askers.create_task(ask())

        async def asked(on_replica: bool) -> bool:
            by_replica.clear()
            await until(lambda: _some(by_replica), seconds=20, what="an answer")
            return by_replica[-1] is on_replica

        await until(lambda: asked(True), seconds=20, what="answers from the replica")
        await asyncio.to_thread(replica.kill)
        await until(lambda: asked(False), seconds=20, what="answers without the replica")
        await asyncio.to_thread(replica.start)
        await until(lambda: asked(True), seconds=60, what="answers from the replica again")
        is_over.set()
    assert reads(Used.BROKEN) > broken


async def _some(answers: list[bool]) -> bool:
    return bool(answers)


async def _report(client: Client) -> tuple[dict[str, Any], bytes]:
    """A finished report of two files' worth of rows, and its bytes."""
    ask = {
        "name": "customers",
        "datetime_start": "2011-01-01 00:00:00",
        "datetime_end": "2011-12-31 23:59:59",
    }
    response, _ = await client.call("POST", "/reports", status=201, json=ask)
    path = "/" + response.headers["Location"].split("/", 3)[3]

    async def finished() -> dict[str, Any] | None:
        found: dict[str, Any] = await client.get(path)
        return found if found["status"] != "queued" else None

    report = await until(finished, seconds=40, what="the report")
    assert report is not None
    assert report["status"] == "ready"
    link = report["_links"]["fx:download_url"]["href"]
    async with aiohttp.ClientSession() as anybody, anybody.get(link) as file:
        return report, await file.read()


def _customers(first: int, last: int) -> list[dict[str, Any]]:
    return [
        {"id": n, "email": f"{n}@example.com", "date_created": "2011-05-01T00:00:00Z"}
        for n in range(first, last + 1)
    ]


async def test_a_report_is_the_same_from_the_replica_and_from_the_primary(
    client: Client, replica: Postgres
) -> None:
    await client.post("/customers", _customers(1, 300))
    used = reads(Used.REPLICA)
    report, body = await _report(client)
    assert reads(Used.REPLICA) == used + 1, "over two connections of one snapshot"
    assert report["files"][0]["rows"] == 300
    async with paused(replica):
        behind = reads(Used.BEHIND)
        await client.post("/customers", _customers(301, 301))
        later, other = await _report(client)
        assert reads(Used.BEHIND) == behind + 1
    assert later["files"][0]["rows"] == 301, "what was recorded before it was asked for"
    used = reads(Used.REPLICA)
    _, once_more = await _report(client)
    assert reads(Used.REPLICA) == used + 1
    assert hashlib.sha256(once_more).digest() == hashlib.sha256(other).digest()
    assert other.startswith(body[: body.index(b"\r\n")])


@asynccontextmanager
async def _both(settings: DatabaseSettings, url: str) -> AsyncIterator[ReadSources]:
    own = settings.model_copy(update={"replica_url": SecretStr(url)})
    async with (
        Database.open(own, name="primary", pool_max=2) as primary,
        ReadSources.open(
            primary,
            own,
            lambda other: Database.open(other, name="replica", pool_max=2),
            wait_seconds=5,
        ) as sources,
    ):
        yield sources


async def test_a_statement_in_the_way_of_the_replay_is_done_by_the_primary(
    database_settings: DatabaseSettings, replica: Postgres, replica_url: str, database: Database
) -> None:
    await asyncio.to_thread(replica.psql, "ALTER SYSTEM SET max_standby_streaming_delay = '50ms'")
    await asyncio.to_thread(replica.psql, "SELECT pg_reload_conf()")
    is_reading = asyncio.Event()
    seen: list[str] = []

    async def work(source: Source) -> bool:
        async with source.transaction(isolation="repeatable_read", readonly=True) as connection:
            await connection.fetchval("SELECT count(*) FROM stores")
            is_replica: bool = await connection.fetchval("SELECT pg_is_in_recovery()")
            seen.append("replica" if is_replica else "primary")
            is_reading.set()
            if is_replica:
                try:
                    await connection.execute("SELECT pg_sleep(20)")
                except asyncpg.PostgresError as error:
                    seen.append(error.sqlstate)
                    raise
            return is_replica

    try:
        async with _both(database_settings, replica_url) as sources:
            finding = asyncio.create_task(sources.read(work))
            await asyncio.wait_for(is_reading.wait(), 20)
            async with database.transaction() as connection:
                # Its replay waits for whoever reads the table, 50 ms long.
                await connection.execute("LOCK TABLE stores IN ACCESS EXCLUSIVE MODE")
                await connection.execute("CREATE TEMPORARY TABLE written (n int)")
            found = await asyncio.wait_for(finding, 20)
            assert (found.value, found.on_replica) == (False, False)
            assert seen == ["replica", "40001", "primary"]
            # The replica is well: the next one goes there.
            assert (await sources.read(_nothing)).on_replica
    finally:
        await asyncio.to_thread(replica.psql, "ALTER SYSTEM RESET max_standby_streaming_delay")
        await asyncio.to_thread(replica.psql, "SELECT pg_reload_conf()")


async def _nothing(source: Source) -> None:
    async with source.acquire() as connection:
        await connection.execute("SELECT 1")


async def test_connections_of_a_report_share_a_snapshot_on_the_replica(
    database_settings: DatabaseSettings, replica_url: str, store: Store
) -> None:
    async def work(source: Source) -> list[tuple[bool, str]]:
        found = snapshot(source, "UTC", store_id=store.store_id, seconds_max=60, connections=2)
        async with found as opened:
            return [
                tuple(await one.fetchrow("SELECT pg_is_in_recovery(), pg_current_snapshot()::text"))
                for one in opened
            ]

    async with _both(database_settings, replica_url) as sources:
        found = await sources.read(work)
    (first, second) = found.value
    assert first == second
    assert first[0]


async def test_a_server_that_is_no_replica_of_ours_is_not_read(
    database_settings: DatabaseSettings,
) -> None:
    broken = reads(Used.BROKEN)
    own = database_settings.url.get_secret_value()
    async with _both(database_settings, own) as sources:
        assert not (await sources.read(_nothing)).on_replica
    assert reads(Used.BROKEN) == broken + 1


async def test_no_replica_there_keeps_nobody_from_starting(
    database_settings: DatabaseSettings,
) -> None:
    broken, resting = reads(Used.BROKEN), reads(Used.RESTING)
    nobody = "postgresql://tallyport:secret@127.0.0.1:9/tallyport"
    async with _both(database_settings, nobody) as sources:
        for _ in range(3):
            assert not (await sources.read(_nothing)).on_replica
    assert (reads(Used.BROKEN), reads(Used.RESTING)) == (broken + 1, resting + 2)


async def test_row_security_holds_on_the_replica(
    client: Client, store: Store, database_settings: DatabaseSettings, replica_url: str
) -> None:
    register_id = await make_register(client)
    await record(client, register_id, 2)
    await until_used(client, register_id)
    # The passwords follow from the primary's, and are copied like everything else.
    primary = database_roles.url_of(database_settings.url.get_secret_value(), "aggregator")
    password = primary.partition("tallyport_aggregator:")[2].partition("@")[0]
    host = replica_url.rpartition("@")[2]
    connection = await asyncpg.connect(f"postgresql://tallyport_aggregator:{password}@{host}")
    count = "SELECT count(*) FROM register_items WHERE register_id = $1"
    try:
        assert await connection.fetchval("SELECT pg_is_in_recovery()")
        for store_id, rows in ((None, 0), (store.store_id + 1_000_000, 0), (store.store_id, 2)):
            named = "" if store_id is None else str(store_id)
            await connection.execute("SELECT set_config('tallyport.store_id', $1, false)", named)
            assert await connection.fetchval(count, register_id) == rows
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("SELECT count(*) FROM tokens")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("CREATE TEMPORARY TABLE t (n int)")
    finally:
        await connection.close()
