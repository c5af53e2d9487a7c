"""The whole system as it is run: four processes on real engines, a caller with a token."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from devstack import services
from devstack.engines import Engines
from devstack.processes import stop_all
from devstack.rabbitmq import RabbitMQ
from devstack.stack import RunningStack, start_services
from shared.database import accounts
from shared.database.accounts import Store
from shared.database.pool import Database
from tests.component.conftest import Client
from tests.engines import ROOT, EnginesUnderTest
from tests.worlds import broker_settings, database, database_settings, world

__all__ = ["broker_settings", "database", "database_settings", "world"]

# Short enough that a lost worker is noticed within a test, long enough for a busy machine.
SHORT_LIVES = {
    # All that can be logged is looked at for secrets (tests/redaction.py).
    "TALLYPORT_LOG_LEVEL": "debug",
    "TALLYPORT_REPORT_LEASE_SECONDS": "4",
    "TALLYPORT_REPORT_HEARTBEAT_SECONDS": "1",
    "TALLYPORT_REPORT_REAP_SECONDS": "0.5",
    "TALLYPORT_REPORT_REDISPATCH_SECONDS": "5",
}


class Stack:
    """The running processes, for tests that break them; and the broker's node where it is ours."""

    def __init__(self, run_dir: Path, running: RunningStack, broker: RabbitMQ | None) -> None:
        self.run_dir = run_dir
        self.running = running
        self.url = running.url
        self.broker = broker

    def process(self, service: str) -> psutil.Process:
        """The service's process."""
        port = self.running.ports[service]
        found = services.child(self.run_dir, service, self.running.engines, port).process
        assert found is not None, f"{service} does not run"
        return psutil.Process(found.pid)

    def start_again(self) -> None:
        """Start the services that died."""
        start_services(self.run_dir, self.running.engines)


@pytest.fixture(scope="package")
def stack(world: EnginesUnderTest) -> Iterator[Stack]:
    """Gateway, recorder, aggregator and report worker as processes of their own."""
    # Below the engines' folder, whose watchdog ends what is left when the tests are killed.
    parent = world.local.run_dir if world.local else ROOT / ".run" / "tests"
    run_dir = parent / f"stack-{os.getpid()}"
    run_dir.mkdir(parents=True)
    addresses = Engines(
        database_url=world.database_url,
        broker_url=world.broker_url,
        object_store=world.object_store,
        has_broker_users=world.local is not None,
    )
    with pytest.MonkeyPatch.context() as environment:
        for name, value in SHORT_LIVES.items():
            environment.setenv(name, value)
        try:
            broker = world.rabbit if world.local else None
            yield Stack(run_dir, start_services(run_dir, addresses), broker)
        finally:
            stop_all(run_dir, services.SERVICES)
            with contextlib.suppress(OSError):
                shutil.rmtree(run_dir)


@pytest.fixture
async def caller(
    stack: Stack, database: Database, store: Store, user_id: int
) -> AsyncIterator[Client]:
    """A caller of the test's own store."""
    async with database.acquire() as connection:
        token = await accounts.create_token(connection, user_id=user_id, store_id=store.store_id)
    async with aiohttp.ClientSession(
        stack.url,
        headers={"Authorization": f"Bearer {token.text}"},
        timeout=aiohttp.ClientTimeout(total=30),
    ) as session:
        yield Client(session, token.token_id, token.text)
