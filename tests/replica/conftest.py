"""The four services with a real streaming replica: the aggregator and the report worker read it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from devstack import ports
from devstack.postgres import Postgres
from devstack.postgres_replica import temporary_replica
from services.aggregator import app as aggregator
from services.aggregator.settings import AggregatorServiceSettings
from services.gateway import app as gateway
from services.gateway.settings import GatewayServiceSettings, GatewaySettings
from services.recorder import app as recorder
from services.recorder.settings import RecorderServiceSettings
from services.report_worker import app as report_worker
from services.report_worker.settings import WorkerServiceSettings
from shared.database import replica as reading
from shared.settings import DatabaseSettings, ReportSettings
from tests.component.conftest import (
    START_SECONDS,
    blocks,
    blocks_of,
    broker_users,
    client,
    is_ready,
    make_client,
    running,
)
from tests.engines import ROOT, EnginesUnderTest
from tests.waiting import until
from tests.worlds import broker_settings, database, database_settings, world

__all__ = [
    "blocks",
    "broker_settings",
    "broker_users",
    "client",
    "database",
    "database_settings",
    "make_client",
    "world",
]

REST_SECONDS = 0.3


@pytest.fixture(scope="package")
def replica(world: EnginesUnderTest) -> Iterator[Postgres]:
    """A copy of the tests' server that follows it."""
    if world.local is None:
        raise RuntimeError("this test copies the database: it needs TALLYPORT_TEST_ENGINES=local")
    parent: Path = world.local.run_dir
    with temporary_replica(parent / f"replica-{os.getpid()}", world.local.postgres) as following:
        yield following


@pytest.fixture(scope="package")
def replica_url(world: EnginesUnderTest, replica: Postgres) -> str:
    """Of the same database on the replica, as the superuser."""
    return f"{replica.url.rpartition('/')[0]}/{world.database_url.rpartition('/')[2]}"


def _with_replica(blocks: dict[str, Any], replica: Postgres) -> dict[str, Any]:
    """The same user on the other port."""
    settings: DatabaseSettings = blocks["database"]
    address, _, name = settings.url.get_secret_value().rpartition("/")
    url = f"{address.rpartition(':')[0]}:{replica.settings.port}/{name}"
    own = settings.model_copy(update={"replica_url": SecretStr(url)})
    return {**blocks, "database": own}


@pytest.fixture(scope="package")
async def base_url(blocks: dict[str, Any], replica: Postgres) -> AsyncIterator[str]:
    """All four services, up and ready; the gateway's address. Any report of a row is large."""
    (port,) = ports.reserve(ROOT / ".run" / "tests", 1)
    url = f"http://127.0.0.1:{port}"
    large = ReportSettings(large_rows=1)

    def of(service: str) -> dict[str, Any]:
        own = blocks_of(blocks, service)
        return own if service in ("gateway", "recorder") else _with_replica(own, replica)

    with pytest.MonkeyPatch.context() as changes:
        changes.setattr(reading, "REST_SECONDS", REST_SECONDS)
        changes.setattr(reading, "BEHIND_SECONDS", REST_SECONDS)
        async with contextlib.AsyncExitStack() as stack:
            for serve, settings in (
                (recorder.serve, RecorderServiceSettings(**of("recorder"))),
                (aggregator.serve, AggregatorServiceSettings(**of("aggregator"))),
                (
                    report_worker.serve,
                    WorkerServiceSettings(**of("report_worker"), reports=large),
                ),
                (
                    gateway.serve,
                    GatewayServiceSettings(
                        **of("gateway"), gateway=GatewaySettings(port=port), reports=large
                    ),
                ),
            ):
                await stack.enter_async_context(running(serve, settings))
            await until(lambda: is_ready(url), seconds=START_SECONDS, what="the gateway")
            yield url
