"""The whole system with the rows in it: gateway, report worker, RabbitMQ, PostgreSQL, object store.

Comes in: a folder and the sizes. Goes out: `System`, running. What was made is written down in the
folder, and the next run uses it again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import BaseModel, ValidationError

from bench.exporting import data, sales
from bench.exporting.data import DAY_SECONDS
from bench.stack import started
from devstack import database_roles
from devstack.stack import RunningStack
from shared.database import accounts
from shared.database.pool import Connection, Database
from shared.settings import ObjectStoreSettings

ZONE = "America/Los_Angeles"
SHORT_ROWS = 1_000


Insert = Callable[[Connection, int, int], Awaitable[None]]


class Dataset(BaseModel):
    """A store with so many customers, or transactions, and a token for it."""

    rows: int
    store_id: int
    token: str


class Made(BaseModel):
    """What lies in the folder already, smallest first: stores with customers, stores with
    transactions."""

    datasets: list[Dataset]
    sales: list[Dataset]


@dataclass(frozen=True)
class System:
    stack: RunningStack
    database: Database
    short: Dataset
    datasets: list[Dataset]
    sales: list[Dataset]

    @property
    def database_url(self) -> str:
        return self.stack.engines.database_url

    @property
    def store_settings(self) -> ObjectStoreSettings:
        store = self.stack.engines.object_store
        return ObjectStoreSettings.model_validate(
            {"url": store.endpoint, **store.model_dump(exclude={"endpoint"})}
        )


@asynccontextmanager
async def running(
    run_dir: Path, sizes: Sequence[int], transactions: Sequence[int]
) -> AsyncIterator[System]:
    """Start everything on the folder of these sizes; stop it at the end, keeping the data."""
    folder = run_dir / f"exporting-{max(sizes)}-{max(transactions)}"
    async with started(folder, {}, pool_max=4) as (stack, database):
        made = await _obtain(folder, database, [SHORT_ROWS, *sizes], [*transactions])
        short, *datasets = made.datasets
        yield System(stack, database, short, datasets, made.sales)


async def _obtain(
    folder: Path, database: Database, sizes: list[int], transactions: list[int]
) -> Made:
    path = folder / "made.json"
    try:
        made = Made.model_validate_json(path.read_bytes())
        found = [[dataset.rows for dataset in those] for those in (made.datasets, made.sales)]
        if found == [sizes, transactions]:
            return made
    except (FileNotFoundError, ValidationError):
        pass
    async with database.acquire() as connection:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM customers)"):
            raise SystemExit(f"{folder} holds other sizes, or half of them: remove it")
        began = asyncio.get_running_loop().time()
        made = Made(
            datasets=[await _new_dataset(connection, rows, data.insert) for rows in sizes],
            sales=[await _new_dataset(connection, rows, sales.insert) for rows in transactions],
        )
        for table in ("customers", *sales.TABLES):
            await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=DAY_SECONDS)
        await connection.execute("CHECKPOINT", timeout=DAY_SECONDS)
        seconds = asyncio.get_running_loop().time() - began
        sys.stderr.write(
            f"made {sum(sizes):,} customers and {sum(transactions):,} transactions"
            f" in {seconds:.0f} s\n"
        )
    path.touch(mode=0o600)
    path.write_text(made.model_dump_json(indent=2))
    return made


async def _new_dataset(connection: Connection, rows: int, insert: Insert) -> Dataset:
    store = await accounts.create_store(
        connection, name=f"A store of {rows}", timezone=ZONE, currency="USD"
    )
    email = f"bench-{secrets.token_hex(4)}@example.com"
    user = await accounts.create_user(connection, email=email)
    await accounts.add_member(connection, store_id=store.store_id, user_id=user.user_id)
    token = await accounts.create_token(
        connection, user_id=user.user_id, store_id=store.store_id, name="bench"
    )
    await insert(connection, store.store_id, rows)
    return Dataset(rows=rows, store_id=store.store_id, token=token.text)


def processes(system: System) -> dict[str, list[psutil.Process]]:
    """Who takes part, by name: `PostgreSQL`, `object store`, `report worker`."""
    folder = str(system.stack.run_dir)
    workers_url = database_roles.url_of(system.database_url, "report_worker")
    found: dict[str, list[psutil.Process]] = {"PostgreSQL": [], "object store": [], "worker": []}
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if "services.report_worker" in line:
                if process.environ().get("TALLYPORT_DATABASE_URL") == workers_url:
                    found["worker"].append(process)
            elif "swift" in line and folder in line:
                found["object store"].append(process)
            elif "postgres" in line and folder in line and " -D" in f" {line}":
                found["PostgreSQL"].append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    missing = [name for name, those in found.items() if not those]
    if missing:
        sys.stderr.write(f"not found among the processes of {os.uname().nodename}: {missing}\n")
    return found
