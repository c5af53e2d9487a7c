"""The register that a question is about, read in the question's snapshot.

Comes in: ids and a deadline. Goes out: its `version`, `meta` and `rollups`; the transaction is made
ready for one expensive statement that ends with the deadline.
"""

from __future__ import annotations

import math
from datetime import datetime

import asyncpg

from services.aggregator.deadlines import seconds_left
from shared.database.pool import Connection
from shared.database.queries import load_queries

_SQL = load_queries(__file__)


async def find_register(
    connection: Connection,
    store_id: int,
    register_id: int,
    *,
    deadline: datetime,
    work_mem_mb: int,
) -> asyncpg.Record | None:
    """None: the store has no such register."""
    seconds = seconds_left(deadline)
    return await connection.fetchrow(
        _SQL["find_register"],
        store_id,
        register_id,
        # Rounded up: 0 milliseconds would mean "no limit".
        str(math.ceil(seconds * 1_000)),
        f"{work_mem_mb}MB",
        timeout=seconds,
    )
