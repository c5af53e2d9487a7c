"""Real worker processes, which tests kill and freeze, on a database that nobody else's worker sees.

The broker is shared: a worker of another test may take and drop a message that is not for its
database. That is what messages are (pointers, which may get lost), so the reaper sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from pydantic import SecretStr

from devstack import database_roles, ports
from shared.database import accounts
from shared.database.migrate import migrate
from shared.database.pool import Database
from shared.objects import ObjectStore
from shared.settings import DatabaseSettings, ObjectStoreSettings
from tests.engines import ROOT, EnginesUnderTest
from tests.holding import open_holding
from tests.roles import as_role

FAST = {
    "TALLYPORT_REPORT_LEASE_SECONDS": "3",
    "TALLYPORT_REPORT_HEARTBEAT_SECONDS": "0.2",
    "TALLYPORT_REPORT_REAP_SECONDS": "0.2",
    "TALLYPORT_REPORT_REDISPATCH_SECONDS": "1",
    "TALLYPORT_REPORT_BACKOFF_SECONDS_MIN": "0.01",
    "TALLYPORT_REPORT_BACKOFF_SECONDS_MAX": "0.05",
    "TALLYPORT_WORKER_JANITOR_SECONDS": "0.5",
    "TALLYPORT_WORKER_ABANDONED_SECONDS": "0",
    "TALLYPORT_DATABASE_TRANSACTION_IDLE_SECONDS": "4",
    "TALLYPORT_LOG_FORMAT": "json",
}


class Worker:
    """A process, by its id, and what it tells about itself."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self._url = f"http://127.0.0.1:{port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def page(self, path: str) -> str:
        """`/readyz` or `/metrics`; empty when nobody answers."""
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.request("GET", self._url + path) as response:
                return await response.text()
        return ""

    async def endings(self) -> set[str]:
        """How the builds of this process have ended so far."""
        lines = (await self.page("/metrics")).splitlines()
        counts = [line for line in lines if line.startswith("tallyport_report_build_seconds_count")]
        return {line.split('ending="')[1].split('"')[0] for line in counts}

    def peak_mib(self) -> float:
        """The most memory that it ever had in use."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmHWM")


StartWorker = Callable[..., Awaitable[Worker]]


@pytest.fixture(scope="session")
async def worker_database_settings(engines: EnginesUnderTest) -> AsyncIterator[DatabaseSettings]:
    name = f"tallyport_worker_{secrets.token_hex(4)}"
    await _administer(engines, f'CREATE DATABASE "{name}"')
    url = engines.database_url.rsplit("/", 1)[0] + f"/{name}"
    settings = DatabaseSettings(url=SecretStr(url))
    await migrate(settings)
    await database_roles.let_in(url)
    yield settings
    await _administer(engines, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _administer(engines: EnginesUnderTest, statement: str) -> None:
    """On a connection of its own: one kept until the end would not outlive the tests that restart
    the database."""
    admin = await asyncpg.connect(engines.database_url)
    try:
        await admin.execute(statement)
    finally:
        await admin.close()


@pytest.fixture(scope="session")
async def worker_database(
    worker_database_settings: DatabaseSettings,
) -> AsyncIterator[Database]:
    async with open_holding(worker_database_settings, pool_max=5) as opened:
        yield opened


@pytest.fixture
async def tenant(worker_database: Database) -> tuple[int, int]:
    """(store_id, user_id)"""
    async with worker_database.acquire() as connection:
        store = await accounts.create_store(
            connection, name="A store", timezone="Europe/London", currency="GBP"
        )
        user = await accounts.create_user(connection, email=f"{secrets.token_hex(6)}@example.com")
        await accounts.add_member(connection, store_id=store.store_id, user_id=user.user_id)
    return store.store_id, user.user_id


@pytest.fixture(scope="session")
async def worker_objects(
    object_store_settings: ObjectStoreSettings,
) -> AsyncIterator[ObjectStore]:
    async with ObjectStore.open(object_store_settings) as opened:
        await opened.ensure_bucket()
        yield opened


@pytest.fixture
async def start_worker(
    engines: EnginesUnderTest, worker_database_settings: DatabaseSettings, tmp_path: Path
) -> AsyncIterator[StartWorker]:
    """`await start_worker(TALLYPORT_...="...")`: a process; all of them end with the test."""
    started: list[Worker] = []

    async def start(**environment: str) -> Worker:
        log = tmp_path / f"worker{len(started)}.log"
        (port,) = ports.reserve(ROOT / ".run" / "tests", 1)
        own = as_role(worker_database_settings, "report_worker")
        url = own.url.get_secret_value()
        with log.open("wb") as target:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "services.report_worker"),
                cwd=ROOT,
                env={
                    "PATH": os.environ["PATH"],
                    **engines.environment(),
                    **FAST,
                    "TALLYPORT_DATABASE_URL": url,
                    "TALLYPORT_OPERATIONS_PORT": str(port),
                    **environment,
                },
                stdout=target,
                stderr=target,
            )
        started.append(Worker(process, port))
        return started[-1]

    yield start
    for worker in started:
        with contextlib.suppress(ProcessLookupError):
            worker.signal(signal.SIGKILL)
        await worker.process.wait()
