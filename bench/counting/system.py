"""The whole system with the items in it: gateway, recorder, aggregator, RabbitMQ, PostgreSQL.

Comes in: a folder and how many items. Goes out: `System`, running. The items go past the recorder,
for speed; the rollups are built by the product itself, those by columns because they are asked for.
What was made is written down in the folder, and the next run uses it again.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from bench.counting.data import COLUMNS, LABELS, REGISTERS, Items
from bench.counting.questions import HOME_ZONE
from bench.stack import started
from devstack.stack import RunningStack
from shared.database import accounts
from shared.database.pool import Connection, Database
from shared.database.registers import insert_register
from shared.rollups.definitions import ensure, of_register, totals_grids
from shared.rollups.folding import fold, rebuild
from shared.settings import DatabaseSettings

DAY_SECONDS = 86_400.0
_METAS = ", ".join(f"meta{number}" for number in range(len(COLUMNS)))
_POSTGRES = {
    "maintenance_work_mem": "1GB",
    "random_page_cost": "1.1",
    "effective_io_concurrency": "32",
}


class Dataset(BaseModel):
    """One store with its registers, the largest first, and a token for it."""

    items: int
    store_id: int
    registers: list[int]
    token: str

    @property
    def largest(self) -> int:
        return self.registers[0]


class Made(BaseModel):
    """What lies in the folder already. `tenth` has a tenth of the items in the same two years."""

    whole: Dataset
    tenth: Dataset


@dataclass(frozen=True)
class System:
    stack: RunningStack
    database: Database
    whole: Dataset
    tenth: Dataset

    @property
    def url(self) -> str:
        return self.stack.url

    @property
    def database_settings(self) -> DatabaseSettings:
        return DatabaseSettings.model_validate({"url": self.database_url})

    @property
    def database_url(self) -> str:
        return self.stack.engines.database_url


@asynccontextmanager
async def running(run_dir: Path, items: int) -> AsyncIterator[System]:
    """Start everything on the folder of this many items; stop it at the end, keeping the data."""
    folder = run_dir / f"counting-{items}"
    async with started(folder, _POSTGRES, pool_max=8) as (stack, database):
        made = await _obtain(folder, database, items)
        yield System(stack, database, made.whole, made.tenth)


async def _obtain(folder: Path, database: Database, items: int) -> Made:
    path = folder / "made.json"
    try:
        made = Made.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        pass
    else:
        await _restore(database, made.whole)
        return made
    async with database.acquire() as connection:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM register_items)"):
            raise SystemExit(f"{folder} holds what an interrupted run left: remove it")
        with _told(f"{items:,} items, and a tenth of that"):
            made = Made(
                whole=await _new_dataset(connection, items),
                tenth=await _new_dataset(connection, items // 10),
            )
            indexes = await _without_indexes(connection)
            for dataset in (made.whole, made.tenth):
                await _insert(connection, dataset)
        with _told("the product's own indexes"):
            for statement in indexes:
                await connection.execute(statement, timeout=DAY_SECONDS)
            await connection.execute("VACUUM (ANALYZE) register_items", timeout=DAY_SECONDS)
        with _told("a second copy, partitioned by register, for bare SQL"):
            await _partitioned(connection, made.whole)
    with _told("totals, by the product"):
        for dataset in (made.whole, made.tenth):
            for register_id in dataset.registers:
                async with database.transaction() as connection:
                    for grid in totals_grids(HOME_ZONE):
                        await ensure(connection, dataset.store_id, register_id, grid)
                await fold(database, dataset.store_id, register_id, builds=True)
    async with database.acquire() as connection:
        await connection.execute("VACUUM (ANALYZE) rollup_rows", timeout=DAY_SECONDS)
        await connection.execute("CHECKPOINT", timeout=DAY_SECONDS)
    path.touch(mode=0o600)
    path.write_text(made.model_dump_json(indent=2))
    return made


async def _restore(database: Database, dataset: Dataset) -> None:
    """Take out what an earlier run recorded, so that all copies of the items are the same again."""
    which = dataset.store_id, dataset.largest
    async with database.acquire() as connection:
        taken = await connection.fetchval(
            """WITH taken AS (DELETE FROM register_items
                               WHERE store_id = $1 AND register_id = $2 AND version > 0
                           RETURNING 1) SELECT count(*) FROM taken""",
            *which,
            timeout=DAY_SECONDS,
        )
        if not taken:
            return
        rollups = await of_register(connection, *which)
        await connection.execute("DROP SCHEMA IF EXISTS bench_cube CASCADE")
    with _told(f"the register as it was ({taken:,} items recorded since)"):
        for rollup in rollups:
            await rebuild(database, *which, rollup.rollup_id)
        async with database.acquire() as connection:
            for table in ("register_items", "rollup_rows"):
                await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=DAY_SECONDS)


async def _new_dataset(connection: Connection, items: int) -> Dataset:
    store = await accounts.create_store(
        connection, name=f"{items} items", timezone=HOME_ZONE, currency="USD"
    )
    email = f"bench-{secrets.token_hex(4)}@example.com"
    user = await accounts.create_user(connection, email=email)
    await accounts.add_member(connection, store_id=store.store_id, user_id=user.user_id)
    token = await accounts.create_token(
        connection, user_id=user.user_id, store_id=store.store_id, name="bench"
    )
    meta = {f"meta{number}": label for number, label in enumerate(LABELS)}
    registers = [
        await insert_register(
            connection, store.store_id, name=f"register {number}", units="USD", meta=meta
        )
        for number in range(REGISTERS)
    ]
    ids = [register.register_id for register in registers]
    return Dataset(items=items, store_id=store.store_id, registers=ids, token=token.text)


async def _without_indexes(connection: Connection) -> list[str]:
    """Drop keys and indexes of the items; what makes them again."""
    keys = await connection.fetch(
        """SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
            WHERE conrelid = 'register_items'::regclass AND contype IN ('p', 'f', 'u')"""
    )
    for key in keys:
        await connection.execute(f"ALTER TABLE register_items DROP CONSTRAINT {key['conname']}")
    indexes = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'register_items'"
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['indexname']}")
    return [
        *(f"ALTER TABLE register_items ADD CONSTRAINT {k['conname']} {k['definition']}"
          for k in keys),
        *(index["indexdef"] for index in indexes),
    ]  # fmt: skip


async def _insert(connection: Connection, dataset: Dataset) -> None:
    await connection.execute(
        f"""INSERT INTO register_items (store_id, register_id, unique_key, originated_at, amount,
                                        units, {_METAS})
            SELECT $1, ($2::bigint[])[register + 1], unique_key, originated_at, amount, 'USD',
                   {_METAS}
              FROM ({Items(dataset.items).sql()}) AS made""",  # noqa: S608 - names and numbers of ours
        dataset.store_id,
        dataset.registers,
        timeout=DAY_SECONDS,
    )


async def _partitioned(connection: Connection, dataset: Dataset) -> None:
    """Only what questions read, each register by itself, with an index that holds it all."""
    await connection.execute(
        f"""CREATE SCHEMA bench;
            CREATE TABLE bench.items (register_id bigint NOT NULL,
                originated_at timestamptz NOT NULL, amount numeric NOT NULL,
                {", ".join(f'meta{n} text COLLATE "C"' for n in range(len(COLUMNS)))})
            PARTITION BY LIST (register_id)"""
    )
    for register_id in dataset.registers:
        await connection.execute(
            f"""CREATE TABLE bench.items_{register_id} PARTITION OF bench.items
                FOR VALUES IN ({register_id})"""
        )
    await connection.execute(
        f"""INSERT INTO bench.items SELECT register_id, originated_at, amount, {_METAS}
              FROM register_items WHERE store_id = $1""",  # noqa: S608 - names of ours
        dataset.store_id,
        timeout=DAY_SECONDS,
    )
    await connection.execute(
        """CREATE INDEX ON bench.items (register_id, originated_at)
            INCLUDE (amount, meta0, meta1)""",
        timeout=DAY_SECONDS,
    )
    await connection.execute("VACUUM (ANALYZE) bench.items", timeout=DAY_SECONDS)


@contextmanager
def _told(what: str) -> Iterator[None]:
    began = asyncio.get_running_loop().time()
    sys.stderr.write(f"making {what} ... ")
    sys.stderr.flush()
    yield
    sys.stderr.write(f"{asyncio.get_running_loop().time() - began:.1f} s\n")
