"""The running system that suites break: four services as processes, on engines behind proxies.

In: engines with a database and a virtual host of this system's own. Out: handles on everything that
can be broken, and the way past the proxies for those who watch.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit, urlunsplit

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aiormq.abc import FieldTable
from pydantic import SecretStr

from devstack import broker_users, database_roles
from devstack.engines import RunningEngines
from shared.contracts.routes import EVENTS_EXCHANGE
from shared.database.pool import Database
from shared.messaging.connection import Broker
from shared.settings import BrokerSettings, DatabaseSettings
from tests.chaos.proxy import Proxy, proxy_to
from tests.chaos.services import Service
from tests.engines import EnginesUnderTest
from tests.holding import open_holding

# Leases, timers and limits so short that a loss is noticed within a second or two.
FAST = {
    "TALLYPORT_REPORT_LEASE_SECONDS": "1.5",
    "TALLYPORT_REPORT_HEARTBEAT_SECONDS": "0.3",
    "TALLYPORT_REPORT_REAP_SECONDS": "0.3",
    "TALLYPORT_REPORT_REDISPATCH_SECONDS": "1",
    "TALLYPORT_REPORT_BACKOFF_SECONDS_MIN": "0.05",
    "TALLYPORT_REPORT_BACKOFF_SECONDS_MAX": "0.5",
    # An attempt that is lost to a fault is none of the report's own: it may take many.
    "TALLYPORT_REPORT_ATTEMPTS_MAX": "100",
    "TALLYPORT_WORKER_BUILDS_PER_STORE_MAX": "4",
    "TALLYPORT_WORKER_DEFER_SECONDS": "0.2",
    "TALLYPORT_WORKER_JANITOR_SECONDS": "0.5",
    "TALLYPORT_WORKER_ABANDONED_SECONDS": "1",
    "TALLYPORT_RECORDER_ROLLUP_FOLD_SECONDS": "0.05",
    "TALLYPORT_RECORDER_ROLLUP_SWEEP_SECONDS": "1",
    "TALLYPORT_BROKER_HEARTBEAT_SECONDS": "3",
    "TALLYPORT_BROKER_CONNECT_SECONDS": "3",
    "TALLYPORT_BROKER_PUBLISH_SECONDS": "3",
    "TALLYPORT_DATABASE_ACQUIRE_SECONDS": "3",
    "TALLYPORT_DATABASE_STATEMENT_SECONDS": "10",
    "TALLYPORT_DATABASE_TRANSACTION_IDLE_SECONDS": "5",
    "TALLYPORT_OBJECT_STORE_CONNECT_SECONDS": "1",
    "TALLYPORT_OBJECT_STORE_READ_SECONDS": "2",
    "TALLYPORT_GATEWAY_RECORD_SECONDS": "8",
    "TALLYPORT_GATEWAY_QUERY_SECONDS": "5",
    "TALLYPORT_OPERATIONS_DRAIN_SECONDS": "9",
    "TALLYPORT_LOG_FORMAT": "json",
}
# Every change of a report, in the order of commits for each: rows that were rolled back are gone.
WRITE_CHANGES_DOWN = """
CREATE TABLE IF NOT EXISTS chaos_changes (
    change_id bigserial PRIMARY KEY, store_id bigint, report_id bigint, status text,
    attempt integer, object_key text);
CREATE OR REPLACE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO chaos_changes (store_id, report_id, status, attempt, object_key)
        VALUES (OLD.store_id, OLD.report_id, 'gone', OLD.attempt, NULL);
    ELSIF TG_OP = 'INSERT' OR (OLD.status, OLD.attempt, OLD.object_key)
          IS DISTINCT FROM (NEW.status, NEW.attempt, NEW.object_key) THEN
        INSERT INTO chaos_changes (store_id, report_id, status, attempt, object_key)
        VALUES (NEW.store_id, NEW.report_id, NEW.status, NEW.attempt, NEW.object_key);
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER chaos_note AFTER INSERT OR UPDATE OR DELETE ON reports
   FOR EACH ROW EXECUTE FUNCTION chaos_note();
"""
LISTENER = "chaos.events"
QUORUM: FieldTable = {"x-queue-type": "quorum"}


@dataclass
class System:
    """`workers` are alike. `database` and `world` lead past the proxies, as who may do everything;
    `environment` leads through them."""

    world: EnginesUnderTest
    database: Database
    database_proxy: Proxy
    broker_proxy: Proxy
    store_proxy: Proxy
    environment: Mapping[str, str]
    gateway: Service = field(init=False)
    recorder: Service = field(init=False)
    aggregator: Service = field(init=False)
    workers: list[Service] = field(init=False)
    started: list[Service] = field(default_factory=list)

    @property
    def engines(self) -> RunningEngines:
        """The nodes. Raises where they are not ours to break."""
        if self.world.local is None:
            raise RuntimeError("chaos breaks engines: it needs TALLYPORT_TEST_ENGINES=local")
        running: RunningEngines = self.world.local
        return running

    @property
    def services(self) -> list[Service]:
        return [self.gateway, self.recorder, self.aggregator, *self.workers]

    def another(self, name: str, label: str, *sabotages: str, **environment: str) -> Service:
        """One more process of a service, not started yet; it ends with the system. To the database
        and the broker it is that service, with its rights and no more."""
        own = {
            "TALLYPORT_DATABASE_URL": database_roles.url_of(
                self.environment["TALLYPORT_DATABASE_URL"], name
            ),
            "TALLYPORT_BROKER_URL": broker_users.url_of(
                self.environment["TALLYPORT_BROKER_URL"], name
            ),
        }
        service = Service(name, label, {**self.environment, **own, **environment}, *sabotages)
        self.started.append(service)
        return service

    async def revive(self) -> None:
        """Start again what has died, of the four; wait until all are ready."""
        for service in self.services:
            if not service.is_alive:
                await service.start()
        await asyncio.gather(*(service.ready() for service in self.services))

    async def disarm(self) -> None:
        """No failpoint is followed any more."""
        for service in self.services:
            if service.is_alive:
                await service.arm("")

    def heal(self) -> None:
        """No fault in any proxy; nobody frozen."""
        for proxy in (self.database_proxy, self.broker_proxy, self.store_proxy):
            proxy.heal()
        for service in self.started:
            service.thaw()

    async def close(self) -> None:
        for service in self.started:
            if service.is_alive:
                await service.kill()


def _through(url: str, proxy: Proxy) -> str:
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}"))


def _address(url: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or default_port


@contextlib.asynccontextmanager
async def running_system(
    world: EnginesUnderTest,
    *,
    workers: int = 2,
    broker_urls: str | None = None,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[System]:
    """Started and ready; ended with the block. `broker_urls` are for the services, instead of the
    proxy to the world's broker; `more` is in the environment of each."""
    # Stores of other databases have the same numbers: a bucket of its own as well.
    bucket = f"chaos-{secrets.token_hex(4)}"
    world = replace(world, object_store=world.object_store.model_copy(update={"bucket": bucket}))
    async with contextlib.AsyncExitStack() as stack:
        database_proxy, broker_proxy, store_proxy = [
            await stack.enter_async_context(proxy_to(*_address(url, port)))
            for url, port in (
                (world.database_url, 5432),
                (world.broker_url, 5672),
                (world.object_store.endpoint, 80),
            )
        ]
        environment = {
            **world.environment(),
            **FAST,
            "TALLYPORT_DATABASE_URL": _through(world.database_url, database_proxy),
            "TALLYPORT_BROKER_URL": broker_urls or _through(world.broker_url, broker_proxy),
            # Links are signed for the proxy's address, and answered at it.
            "TALLYPORT_OBJECT_STORE_URL": _through(world.object_store.endpoint, store_proxy),
            **(more or {}),
        }
        database = await stack.enter_async_context(
            open_holding(
                DatabaseSettings(url=SecretStr(world.database_url)), name="chaos", pool_max=10
            )
        )
        async with database.acquire() as connection:
            await connection.execute(WRITE_CHANGES_DOWN)
        await _listen(world)
        system = System(world, database, database_proxy, broker_proxy, store_proxy, environment)
        system.gateway, system.recorder, system.aggregator = (
            system.another(name, name) for name in ("gateway", "recorder", "aggregator")
        )
        system.workers = [
            system.another("report_worker", f"worker{n}") for n in range(1, workers + 1)
        ]
        stack.push_async_callback(system.close)
        await system.revive()
        yield system


async def _listen(world: EnginesUnderTest) -> None:
    """Declare the topology, and a queue that gets every event from now on."""
    settings = BrokerSettings(url=(SecretStr(world.broker_url),))
    async with Broker.open(settings, "chaos") as broker:
        connection = await broker.publishing.wait_open()
        channel = await connection.channel()
        await channel.queue_declare(LISTENER, durable=True, arguments=QUORUM)
        await channel.queue_bind(LISTENER, EVENTS_EXCHANGE, "#")


async def drain(broker_url: str, queue: str) -> list[AbstractIncomingMessage]:
    """Take everything that is in a queue now."""
    connection = await aio_pika.connect(broker_url)
    async with connection:
        channel = await connection.channel()
        found = await channel.get_queue(queue, ensure=False)
        messages = []
        while (message := await found.get(fail=False, timeout=10)) is not None:
            await message.ack()
            messages.append(message)
    return messages


async def ready_counts(broker_url: str, queues: list[str]) -> dict[str, int]:
    """How many messages wait in each queue."""
    connection = await aio_pika.connect(broker_url)
    async with connection:
        counts = {}
        for queue in queues:
            channel = await connection.channel()
            declared = await channel.declare_queue(queue, passive=True)
            counts[queue] = declared.declaration_result.message_count or 0
    return counts
