"""What it costs to record.

Comes in: a running system. Goes out: rows a second beside a bare COPY (goal 4), and the waits of a
hundred small writers.
"""

from __future__ import annotations

import asyncio
import csv
import io
import random
import re
import secrets
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.counting.data import COLUMNS, LABELS, Items
from bench.counting.http_line import Line
from bench.counting.questions import HOME_ZONE
from bench.counting.recording import lines as live_lines
from bench.counting.rounds import percentile
from bench.counting.spent import cpu_seconds
from bench.counting.system import DAY_SECONDS, System
from services.recorder.record_items import ItemRecorder
from services.recorder.rollup_keeper import RollupKeeper
from services.recorder.settings import RecorderSettings
from shared.contracts.item_columns import ItemBatch, ItemColumns
from shared.contracts.recording import BATCH_RECORDS_MAX, Item
from shared.database.pool import Connection, Database
from shared.database.registers import insert_register
from shared.rollups.definitions import ensure, totals_grids
from shared.rollups.folding import fold
from shared.rollups.grid import Grain, Grid

_NDJSON = b"application/x-ndjson"
# As full as the product's table, and one that is new each time.
_FULL, _EMPTY = "filled", "copied"
FOLDED_SECONDS_MAX = 120.0
# Of the items that are written: as dense in time as the largest register's.
DENSITY = 50


@dataclass(frozen=True)
class Writing:
    """Rows a second. `folded`: until nothing was left to be folded into any rollup. `copied`: into
    a table as full as the product's; `..._empty`: into one that is new; `copied_checked`: likewise,
    with the foreign key that the table had before rollups. `cpu`: seconds for 100,000 rows through
    HTTP, by process."""

    copied: float
    copied_empty: float
    copied_checked: float
    recorded: float
    recorded_and_folded: float
    over_http: float
    over_http_and_folded: float
    cpu: dict[str, float]


@dataclass(frozen=True)
class Writers:
    """Many at once on one register: writes a second, milliseconds."""

    callers: int
    rate: float
    median: float
    p99: float


async def measure(system: System, rows: int, rounds: int) -> Writing:
    """The ways take turns; of each the median. Rows bear five rollups: totals by quarter of
    an hour, hour and day, and by day one and two columns."""
    await _fill(system)
    taken: dict[str, list[float]] = {}
    spent: dict[str, list[float]] = {}
    chunks = [list(chunk) for chunk in _chunks(rows)]
    settings = RecorderSettings()
    async with Database.open(
        system.database_settings, name="bench-records", pool_max=8
    ) as database:
        recorder = ItemRecorder(database, group_items_max=settings.group_items_max)
        async with _keeping(database, settings) as keeper:
            for _ in range(rounds):
                found = {
                    "copied": await _copy(system, chunks, _FULL),
                    "copied_empty": await _copy_anew(system, chunks),
                    "copied_checked": await _copy_anew(system, chunks, is_checked=True),
                    **await _record(system, recorder, keeper, chunks),
                }
                before = cpu_seconds(system.stack.run_dir)
                found |= await _post(system, chunks)
                for name, seconds in cpu_seconds(system.stack.run_dir).items():
                    share = (seconds - before[name]) * 100_000 / rows
                    spent.setdefault(name, []).append(share)
                for name, seconds in found.items():
                    taken.setdefault(name, []).append(rows / seconds)
        await recorder.close()
    cpu = {name: statistics.median(seconds) for name, seconds in spent.items()}
    return Writing(**{name: statistics.median(rates) for name, rates in taken.items()}, cpu=cpu)


def _chunks(rows: int) -> list[list[Item]]:
    made = Items(rows * DENSITY)
    items = [
        Item(
            unique_key=item.unique_key,
            amount=item.amount,
            originated_at=item.originated_at,
            meta=dict(zip(LABELS, item.values, strict=True)),
        )
        for item in map(made.item, range(rows))
    ]
    return [items[at : at + BATCH_RECORDS_MAX] for at in range(0, rows, BATCH_RECORDS_MAX)]


async def _new_register(system: System) -> int:
    """One of the whole's store, with rollups that hold nothing yet."""
    meta = {f"meta{number}": label for number, label in enumerate(LABELS)}
    store = system.whole.store_id
    async with system.database.transaction() as connection:
        register = await insert_register(connection, store, name="written", units="USD", meta=meta)
        for grid in totals_grids(HOME_ZONE):
            await ensure(connection, store, register.register_id, grid)
        for columns in (("meta0",), ("meta0", "meta1")):
            day = Grid(Grain.DAY, HOME_ZONE)
            await ensure(connection, store, register.register_id, day, columns)
    # Built while empty: what comes is a tail from the first row on.
    await fold(system.database, store, register.register_id, builds=True)
    return register.register_id


async def _fill(system: System) -> None:
    """A table with the product's items and indexes, but for the index by version, which only
    rollups need. It stays for the next run."""
    async with system.database.acquire() as connection:
        if await connection.fetchval("SELECT to_regclass($1)", f"bench.{_FULL}"):
            return
        await connection.execute(
            f"CREATE TABLE bench.{_FULL} (LIKE register_items INCLUDING DEFAULTS"
            " INCLUDING CONSTRAINTS)"
        )
        await connection.execute(
            f"INSERT INTO bench.{_FULL} SELECT * FROM register_items",  # noqa: S608 - ours
            timeout=DAY_SECONDS,
        )
        for row in await connection.fetch(
            "SELECT indexdef FROM pg_indexes WHERE tablename = 'register_items' "
            "AND schemaname = 'public' AND indexdef NOT LIKE '%version%'"
        ):
            definition = re.sub(r"INDEX \S+ ON \S+", f"INDEX ON bench.{_FULL}", row["indexdef"])
            await connection.execute(definition, timeout=DAY_SECONDS)
        await connection.execute(f"VACUUM (ANALYZE) bench.{_FULL}", timeout=DAY_SECONDS)
        await connection.execute("CHECKPOINT", timeout=DAY_SECONDS)


async def _copy_anew(
    system: System, chunks: Sequence[Sequence[Item]], *, is_checked: bool = False
) -> float:
    async with system.database.acquire() as connection:
        await _new_table(connection, is_checked=is_checked)
    return await _copy(system, chunks, _EMPTY)


async def _copy(system: System, chunks: Sequence[Sequence[Item]], table: str) -> float:
    """COPY of the same rows into a table with the same indexes, but for the one by version. A chunk
    is a transaction."""
    metas = [f"meta{number}" for number in range(len(COLUMNS))]
    columns = ("store_id", "register_id", "unique_key", "amount", "originated_at", "units", *metas)
    # What an earlier run copied is still in the full one; the foreign key wants a register.
    register_id = 1 if table == _EMPTY else time.time_ns()
    texts = [_as_csv(system.whole.store_id, register_id, chunk) for chunk in chunks]
    async with system.database.acquire() as connection:
        began = time.perf_counter()
        for text in texts:
            await connection.copy_to_table(
                table, schema_name="bench", source=text, columns=columns, format="csv"
            )
        return time.perf_counter() - began


async def _new_table(connection: Connection, *, is_checked: bool) -> None:
    table = f"bench.{_EMPTY}"
    await connection.execute(
        f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (LIKE register_items INCLUDING ALL);"
    )
    if is_checked:
        await connection.execute(
            f"ALTER TABLE {table} ADD FOREIGN KEY (store_id, register_id) REFERENCES registers"
        )
    for row in await connection.fetch(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'bench' AND tablename = $1 "
        "AND indexdef LIKE '%version%'",
        _EMPTY,
    ):
        await connection.execute(f"DROP INDEX bench.{row['indexname']}")


def _as_csv(store_id: int, register_id: int, items: Sequence[Item]) -> io.BytesIO:
    text = io.StringIO()
    writer = csv.writer(text)
    for item in items:
        values = [item.meta.get(label) or "" for label in LABELS]
        when = item.originated_at.isoformat()
        writer.writerow([store_id, register_id, item.unique_key, item.amount, when, "USD", *values])
    return io.BytesIO(text.getvalue().encode())


@asynccontextmanager
async def _keeping(database: Database, settings: RecorderSettings) -> AsyncIterator[RollupKeeper]:
    keeper = RollupKeeper(database, settings)
    task = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _record(
    system: System,
    recorder: ItemRecorder,
    keeper: RollupKeeper,
    chunks: Sequence[Sequence[Item]],
) -> dict[str, float]:
    """The recorder's use case in this process, its keeper folding behind it."""
    register_id, store_id = await _new_register(system), system.whole.store_id
    # As the consumer hands them over, read and checked.
    messages = [
        ItemBatch(store_id=store_id, register_id=register_id, items=ItemColumns.of(chunk))
        for chunk in chunks
    ]
    began = time.perf_counter()
    for message in messages:
        await recorder.record(message)
        keeper.recorded(store_id, register_id, items=len(message.items))
    recorded = time.perf_counter() - began
    await _folded(system, register_id)
    return {"recorded": recorded, "recorded_and_folded": time.perf_counter() - began}


async def _post(system: System, chunks: Sequence[Sequence[Item]]) -> dict[str, float]:
    """One body of NDJSON through gateway, RabbitMQ and recorder."""
    register_id = await _new_register(system)
    body = b"\n".join(
        item.model_dump_json(exclude_none=True).encode() for chunk in chunks for item in chunk
    )
    async with Line(system.url, system.whole.token) as line:
        began = time.perf_counter()
        await line.call("POST", f"/registers/{register_id}/items", body, _NDJSON)
        recorded = time.perf_counter() - began
        await _folded(system, register_id)
        return {"over_http": recorded, "over_http_and_folded": time.perf_counter() - began}


async def _folded(system: System, register_id: int) -> None:
    async with asyncio.timeout(FOLDED_SECONDS_MAX), system.database.acquire() as connection:
        # Another process folds: it can be asked, and does not tell.
        while await connection.fetchval(  # noqa: ASYNC110
            """SELECT EXISTS (SELECT FROM rollups u JOIN registers r USING (store_id, register_id)
                               WHERE u.store_id = $1 AND u.register_id = $2
                                 AND NOT u.is_rejected AND u.synced_version < r.version)""",
            system.whole.store_id,
            register_id,
        ):
            await asyncio.sleep(0.02)


async def small_writers(system: System, *, callers: int, seconds: float) -> Writers:
    """Each writes one item, waits for the answer, and writes the next; all to one register."""
    path = f"/registers/{await _new_register(system)}/items"
    taken: list[float] = []
    stop_at = time.perf_counter() + seconds

    async def write(number: int) -> None:
        rng, run, written = random.Random(number), secrets.token_hex(4), 0  # noqa: S311
        async with Line(system.url, system.whole.token) as line:
            while (began := time.perf_counter()) < stop_at:
                await line.call("POST", path, live_lines(1, run, written, rng), _NDJSON)
                taken.append((time.perf_counter() - began) * 1_000)
                written += 1

    await asyncio.gather(*map(write, range(callers)))
    return Writers(callers, len(taken) / seconds, statistics.median(taken), percentile(taken, 0.99))
