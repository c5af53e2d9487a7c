"""The whole system on a folder of its own, as both benchmarks start it.

Comes in: a folder and PostgreSQL's settings. Goes out: what runs, and a way into its database. It
is stopped at the end, and the data stays.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from devstack import postgres
from devstack.engines import start_engines
from devstack.stack import RunningStack, start_services, stop_stack
from shared.database.pool import Database
from shared.settings import DatabaseSettings

# What anybody would give a server of this size; all ways have it.
_POSTGRES = {"max_wal_size": "16GB", "checkpoint_timeout": "60min", "work_mem": "64MB"}


@asynccontextmanager
async def started(
    folder: Path, settings: Mapping[str, str], *, pool_max: int
) -> AsyncIterator[tuple[RunningStack, Database]]:
    """Everything, with `settings` on top of what every benchmark's server has."""
    shared_buffers = f"{psutil.virtual_memory().total // 4 // 2**20}MB"
    postgres.DURABLE.update(_POSTGRES, shared_buffers=shared_buffers, **settings)
    try:
        engines = start_engines(folder, durable=True).engines
        # All of it comes with one token, as fast as it is answered.
        unlimited = {"TALLYPORT_GATEWAY_REQUESTS_PER_SECOND": "0"}
        stack = start_services(folder, engines, settings=unlimited)
        database_settings = DatabaseSettings.model_validate(
            {"url": engines.database_url, "statement_seconds": 3_600}
        )
        async with Database.open(database_settings, name="bench", pool_max=pool_max) as database:
            yield stack, database
    finally:
        stop_stack(folder)
