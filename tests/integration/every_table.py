"""A row of one store in every table that stores have rows in."""

from __future__ import annotations

from shared.database.pool import Connection
from shared.database.queries import load_queries

_ROWS = load_queries(__file__)


async def fill(connection: Connection, store_id: int) -> None:
    """For whoever row security does not hold for. Numbers above those that tables give out."""
    for statement in _ROWS.values():
        await connection.execute(statement, store_id)
