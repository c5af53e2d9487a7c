"""Folding: bring what was recorded since into the rollups of a register.

Comes in: a database, a register. Goes out: rows of `rollup_rows` and a `synced_version` that moves
with them in one transaction, so that an item is in the rollup or in the tail and never in both.
Only one folder at a time has a rollup; how far behind it is costs speed, never truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from shared.database.pool import Connection, Database
from shared.database.queries import load_queries
from shared.rollups.grid import COVER_END, COVER_START, Grain, Grid, zone_digest

_SQL = load_queries(__file__)

# A first fold reads the whole register.
BUILD_SECONDS = 3_600.0
# A rollup is kept where it is at least this many times smaller than the items in it ...
SHRINK_MIN = 5
# ... which is judged once there are enough of them.
JUDGED_ITEMS_MIN = 20_000
_BIN = {Grain.QUARTER: "15 minutes", Grain.HOUR: "1 hour"}


@dataclass(frozen=True, slots=True)
class Folded:
    """What one pass did: rollups brought up to date, and the items of the longest tail."""

    rollups: int
    items: int


async def fold(
    database: Database,
    store_id: int,
    register_id: int,
    *,
    builds: bool = False,
    asked_min: int = 0,
) -> Folded:
    """Fold the tail into the register's rollups, all at once. With `builds`, those that hold
    nothing yet instead: apart, because that can take long; of those by columns the ones that were
    asked for at least `asked_min` times."""
    async with database.transaction() as connection:
        locked = await connection.fetch(_SQL["lock"], store_id, register_id, builds, asked_min)
        if not locked:
            return Folded(0, 0)
        target = await connection.fetchval(_SQL["version"], store_id, register_id)
        items = 0
        for rollup in locked:
            items = max(items, await _fold_one(connection, store_id, register_id, rollup, target))
        return Folded(len(locked), items)


async def rebuild(database: Database, store_id: int, register_id: int, rollup_id: int) -> int:
    """Build a rollup anew from the items, in one transaction; how many items it holds then.

    Recording and questions go on: readers see the old rows until the new ones are committed, and
    what is recorded meanwhile is in the tail of both.
    """
    async with database.transaction() as connection:
        rollup = await connection.fetchrow(_SQL["lock_one"], store_id, rollup_id)
        if rollup is None:
            return 0
        await connection.execute(_SQL["empty"], store_id, rollup_id, timeout=BUILD_SECONDS)
        digest = zone_digest(rollup["zone"]) if rollup["zone"] else ""
        await connection.execute(_SQL["reset"], store_id, rollup_id, digest)
        fresh = await connection.fetchrow(_SQL["lock_one"], store_id, rollup_id)
        target = await connection.fetchval(_SQL["version"], store_id, register_id)
        if fresh is None:
            return 0
        return await _fold_one(connection, store_id, register_id, fresh, target)


async def registers_behind(database: Database, *, limit: int) -> list[tuple[int, int]]:
    """(store_id, register_id) of registers whose rollups lack something."""
    async with database.acquire() as connection:
        rows = await connection.fetch(_SQL["behind"], limit)
    return [(row["store_id"], row["register_id"]) for row in rows]


async def _fold_one(
    connection: Connection,
    store_id: int,
    register_id: int,
    rollup: asyncpg.Record,
    target: int,
) -> int:
    extent = await connection.fetchrow(
        _SQL["extent"],
        store_id,
        register_id,
        rollup["synced_version"],
        target,
        COVER_START,
        COVER_END,
        timeout=BUILD_SECONDS,
    )
    items = extent["items"] if extent else 0
    added = 0
    first: datetime | None = None
    last: datetime | None = None
    if extent is not None and items:
        grid = Grid(Grain(rollup["grain"]), rollup["zone"])
        if grid.zone and rollup["zone_digest"] != zone_digest(grid.zone):
            return 0  # cut by other rules: it waits for a rebuild, and no question uses it
        first, last = grid.floor(extent["first"]), grid.floor(extent["last"])
        statement, days = _statement(grid, tuple(rollup["columns"]), extent)
        added = await connection.fetchval(
            statement,
            store_id,
            register_id,
            rollup["rollup_id"],
            rollup["synced_version"],
            target,
            COVER_START,
            COVER_END,
            *days,
            timeout=BUILD_SECONDS,
        )
        if (
            rollup["columns"]
            and items >= JUDGED_ITEMS_MIN
            and rollup["synced_version"] < 0
            and added * SHRINK_MIN > items
        ):
            await connection.execute(_SQL["empty"], store_id, rollup["rollup_id"])
            await connection.execute(_SQL["reject"], store_id, rollup["rollup_id"])
            return int(items)
    await connection.execute(
        _SQL["advance"], store_id, rollup["rollup_id"], target, added, items, first, last
    )
    return int(items)


def bucket_sql(grid: Grid, days: str) -> str:
    """SQL for the bucket of `originated_at`; `days` is a placeholder for the days' starts."""
    width = _BIN.get(grid.grain)
    if width is not None:
        return f"date_bin('{width}', originated_at, 'epoch'::timestamptz)"
    return f"({days}::timestamptz[])[width_bucket(originated_at, {days}::timestamptz[])]"


def day_starts(grid: Grid, first: datetime, last: datetime) -> tuple[list[datetime], ...]:
    """The extra parameter that `bucket_sql` needs, if any."""
    return () if grid.grain in _BIN else (grid.starts(first, last),)


def _statement(
    grid: Grid, columns: tuple[str, ...], extent: asyncpg.Record
) -> tuple[str, tuple[list[datetime], ...]]:
    """Add the tail's totals to the rollup's rows; how many rows are new."""
    keys = "".join(f", coalesce({column}, '') AS k{n}" for n, column in enumerate(columns))
    names = "".join(f", k{n}" for n in range(len(columns)))
    sql = f"""
        WITH written AS (
            INSERT INTO rollup_rows AS held
                   (store_id, rollup_id, bucket{names}, items, amount)
            SELECT $1, $3, bucket{names}, count(*), sum(amount)
              FROM (SELECT {bucket_sql(grid, "$8")} AS bucket{keys}, amount
                      FROM register_items
                     WHERE store_id = $1 AND register_id = $2
                       AND version > $4 AND version <= $5
                       AND originated_at >= $6 AND originated_at < $7) AS tail
             GROUP BY bucket{names}
            ON CONFLICT (store_id, rollup_id, bucket, k0, k1, k2, k3)
            DO UPDATE SET items = held.items + excluded.items,
                          amount = held.amount + excluded.amount
            RETURNING xmax = 0 AS is_new
        )
        SELECT count(*) FILTER (WHERE is_new) FROM written"""  # noqa: S608 - columns come from CHECKed rows of ours
    return sql, day_starts(grid, extent["first"], extent["last"])
