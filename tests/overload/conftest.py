"""Gateway, recorder and aggregator as processes of their own, with limits that a test can reach."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import aiohttp
import psutil
import pytest

from devstack import ports, services
from devstack.engines import Engines
from devstack.processes import stop_all
from devstack.stack import RunningStack, start_services
from shared.database import accounts
from shared.database.accounts import Store
from shared.database.pool import Database
from tests.component.conftest import Client
from tests.engines import ROOT, EnginesUnderTest
from tests.overload.sockets import Peer
from tests.worlds import broker_settings, database, database_settings, world

__all__ = ["broker_settings", "database", "database_settings", "world"]

PROCESSES = ("gateway", "recorder", "aggregator")
QUERY_SECONDS = 5.0
HEADER_SECONDS = 0.5
BODY_IDLE_SECONDS = 1.0
WRITE_SECONDS = 1.0
CONNECTIONS_MAX = 300
PER_PEER_MAX = 280
REQUESTS_MAX = 64
LIMITS = {
    # All load comes with one token: what is refused here is refused because of all of it.
    "TALLYPORT_GATEWAY_REQUESTS_PER_SECOND": 0,
    "TALLYPORT_GATEWAY_QUERY_SECONDS": QUERY_SECONDS,
    "TALLYPORT_GATEWAY_HEADER_SECONDS": HEADER_SECONDS,
    "TALLYPORT_GATEWAY_BODY_IDLE_SECONDS": BODY_IDLE_SECONDS,
    "TALLYPORT_GATEWAY_WRITE_SECONDS": WRITE_SECONDS,
    "TALLYPORT_GATEWAY_CONNECTIONS_MAX": CONNECTIONS_MAX,
    "TALLYPORT_GATEWAY_CONNECTIONS_PER_PEER_MAX": PER_PEER_MAX,
    "TALLYPORT_GATEWAY_REQUESTS_MAX": REQUESTS_MAX,
    "TALLYPORT_AGGREGATOR_QUESTIONS_MAX": 2,
    "TALLYPORT_AGGREGATOR_WAITING_MAX": 20,
    # A question of the tests stays as dear as it is.
    "TALLYPORT_AGGREGATOR_WISH_ROWS_MIN": 1_000_000_000,
}


@dataclass(frozen=True)
class Processes:
    """What runs, and what it costs."""

    running: RunningStack

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def port(self) -> int:
        return self.running.ports["gateway"]

    def _process(self, name: str) -> psutil.Process:
        child = services.child(
            self.running.run_dir, name, self.running.engines, self.running.ports[name]
        )
        assert child.process is not None, f"{name} does not run"
        return psutil.Process(child.process.pid)

    def memory_mib(self) -> dict[str, float]:
        """Resident, of gateway and aggregator."""
        return {
            name: self._process(name).memory_info().rss / 2**20
            for name in ("gateway", "aggregator")
        }

    def descriptors(self) -> int:
        """Open in the gateway."""
        return self._process("gateway").num_fds()

    def log(self, name: str) -> str:
        return (self.running.run_dir / "logs" / f"{name}.log").read_text()


@pytest.fixture(scope="package")
def processes(world: EnginesUnderTest) -> Iterator[Processes]:
    parent = world.local.run_dir if world.local else ROOT / ".run" / "tests"
    run_dir = parent / f"overload-{os.getpid()}"
    (run_dir / "services").mkdir(parents=True)
    reserved = ports.reserve(run_dir, len(PROCESSES))
    services.save(
        run_dir, services.ServicesState(ports=dict(zip(PROCESSES, reserved, strict=True)))
    )
    addresses = Engines(
        database_url=world.database_url,
        broker_url=world.broker_url,
        object_store=world.object_store,
        has_broker_users=world.local is not None,
    )
    with pytest.MonkeyPatch.context() as environment:
        # Those of the gateway go past what the caller's environment may say.
        environment.setattr(
            services,
            "OURS",
            tuple(one for one in services.OURS if one != "TALLYPORT_GATEWAY_"),
        )
        for name, value in LIMITS.items():
            environment.setenv(name, str(value))
        try:
            yield Processes(start_services(run_dir, addresses))
        finally:
            stop_all(run_dir, services.SERVICES)
            with contextlib.suppress(OSError):
                shutil.rmtree(run_dir)


@pytest.fixture
async def token(database: Database, store: Store, user_id: int) -> str:
    async with database.acquire() as connection:
        made = await accounts.create_token(connection, user_id=user_id, store_id=store.store_id)
    return made.text


@pytest.fixture
async def caller(processes: Processes, token: str) -> AsyncIterator[Client]:
    """A caller who opens as many connections as it likes."""
    async with aiohttp.ClientSession(
        processes.url,
        headers={"Authorization": f"Bearer {token}"},
        # Shorter than the gateway keeps an idle connection, which else may be closed in the very
        # moment in which a question goes out on it.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=5),
        timeout=aiohttp.ClientTimeout(total=60),
    ) as session:
        yield Client(session, 0, token)


@pytest.fixture
async def peer(processes: Processes, token: str) -> AsyncIterator[Peer]:
    """Raw sockets to the gateway, closed at the end; then it holds none of them any more."""
    before = processes.descriptors()
    made = Peer(processes.port, token)
    yield made
    await made.close()
    async with asyncio.timeout(10):
        # But for connections to the database, of which it opens more as it needs them.
        while processes.descriptors() > before + 12:  # noqa: ASYNC110 - with a deadline
            await asyncio.sleep(0.05)
