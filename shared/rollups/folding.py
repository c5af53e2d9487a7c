"""Folding: bring what was recorded since into the rollups of a register.

Comes in: a database, a register. Goes out: rows of `rollup_rows` and a `synced_version` that moves
with them in one transaction, so that an item is in the rollup or in the tail and never in both.
Only one folder at a time has a rollup; how far behind it is costs speed, never truth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from shared.database.pool import Connection, Database
from shared.database.queries import load_queries
from shared.failpoints import Step
from shared.rollups.grid import COVER_END, COVER_START, Grain, Grid, zone_digest

_SQL = load_queries(__file__)

# A first fold reads the whole register.
BUILD_SECONDS = 3_600.0
# A rollup is kept where it is at least this many times smaller than the items in it ...
SHRINK_MIN = 5
# ... which is judged once there are enough of them.
JUDGED_ITEMS_MIN = 20_000
# Store, register, from and to which version, from and to when.
_TAIL_ARGUMENTS = 6
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
    async with database.transaction(step=Step.ROLLUP_FOLD) as connection:
        locked = await connection.fetch(_SQL["lock"], store_id, register_id, builds, asked_min)
        if not locked:
            return Folded(0, 0)
        target = await connection.fetchval(_SQL["version"], store_id, register_id)
        items = 0
        for group in _groups(locked, builds=builds):
            found = await _fold_group(connection, group, target)
            items = max(items, found)
        return Folded(len(locked), items)


async def complete(database: Database, store_id: int, register_id: int) -> None:
    """Build those of the register's rollups anew that lack the least and the greatest amounts."""
    async with database.acquire() as connection:
        lacking = await connection.fetch(_SQL["without_extremes"], store_id, register_id)
    for row in lacking:
        await rebuild(database, store_id, register_id, row["rollup_id"], only_incomplete=True)


async def rebuild(
    database: Database,
    store_id: int,
    register_id: int,
    rollup_id: int,
    *,
    only_incomplete: bool = False,
) -> int:
    """Build a rollup anew from the items, in one transaction; how many items it holds then.

    Recording and questions go on: readers see the old rows until the new ones are committed, and
    what is recorded meanwhile is in the tail of both. With `only_incomplete` one that another
    process has completed meanwhile is left alone.
    """
    async with database.transaction(step=Step.ROLLUP_FOLD) as connection:
        rollup = await connection.fetchrow(_SQL["lock_one"], store_id, rollup_id)
        if rollup is None or (only_incomplete and rollup["has_extremes"]):
            return 0
        await connection.execute(_SQL["empty"], store_id, rollup_id, timeout=BUILD_SECONDS)
        digest = zone_digest(rollup["zone"]) if rollup["zone"] else ""
        await connection.execute(_SQL["reset"], store_id, rollup_id, digest)
        fresh = await connection.fetchrow(_SQL["lock_one"], store_id, rollup_id)
        target = await connection.fetchval(_SQL["version"], store_id, register_id)
        if fresh is None:
            return 0
        return await _fold_group(connection, [fresh], target)


async def registers_behind(database: Database, *, limit: int) -> list[tuple[int, int]]:
    """(store_id, register_id) of registers whose rollups lack something."""
    async with database.acquire() as connection:
        rows = await connection.fetch(_SQL["behind"], limit)
    return [(row["store_id"], row["register_id"]) for row in rows]


def _groups(rollups: Sequence[asyncpg.Record], *, builds: bool) -> list[list[asyncpg.Record]]:
    """Those that lack the same items: nearly always all of them. Builds are on their own, or a
    whole register would be kept aside to be read twice."""
    if builds:
        return [[rollup] for rollup in rollups]
    groups: defaultdict[int, list[asyncpg.Record]] = defaultdict(list)
    for rollup in rollups:
        groups[rollup["synced_version"]].append(rollup)
    return list(groups.values())


async def _fold_group(
    connection: Connection, rollups: Sequence[asyncpg.Record], target: int
) -> int:
    """Bring all of them, of one register and at one version, to the target; how many items that
    took."""
    of = rollups[0]
    tail = (
        of["store_id"],
        of["register_id"],
        of["synced_version"],
        target,
        COVER_START,
        COVER_END,
    )
    extent = await connection.fetchrow(_SQL["extent"], *tail, timeout=BUILD_SECONDS)
    if extent is None or not extent["items"]:
        for rollup in rollups:
            await connection.execute(_SQL["advance"], *_key(rollup), target, 0, 0, None, None)
        return 0
    # One that is cut by other rules waits for a rebuild, and no question uses it.
    current = [rollup for rollup in rollups if _is_current(rollup)]
    if not current:
        return 0
    statement, arguments = _statement(current, extent)
    added = await connection.fetchrow(statement, *tail, *arguments, timeout=BUILD_SECONDS)
    if added is None:
        raise RuntimeError("counts without a row")
    for rollup, rows in zip(current, added, strict=True):
        await _advance(connection, rollup, target, rows, extent)
    return int(extent["items"])


def _key(rollup: asyncpg.Record) -> tuple[int, int]:
    return rollup["store_id"], rollup["rollup_id"]


def _is_current(rollup: asyncpg.Record) -> bool:
    return not rollup["zone"] or bool(rollup["zone_digest"] == zone_digest(rollup["zone"]))


def _grid(rollup: asyncpg.Record) -> Grid:
    return Grid(Grain(rollup["grain"]), rollup["zone"])


async def _advance(
    connection: Connection,
    rollup: asyncpg.Record,
    target: int,
    added: int,
    extent: asyncpg.Record,
) -> None:
    """It holds the items up to the target now, or nothing if it turned out to be of no use."""
    items = extent["items"]
    is_judged = rollup["columns"] and items >= JUDGED_ITEMS_MIN and rollup["synced_version"] < 0
    if is_judged and added * SHRINK_MIN > items:
        await connection.execute(_SQL["empty"], *_key(rollup))
        await connection.execute(_SQL["reject"], *_key(rollup))
        return
    grid = _grid(rollup)
    first, last = grid.floor(extent["first"]), grid.floor(extent["last"])
    await connection.execute(_SQL["advance"], *_key(rollup), target, added, items, first, last)


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
    rollups: Sequence[asyncpg.Record], extent: asyncpg.Record
) -> tuple[str, list[object]]:
    """Add the tail's totals to the rollups' rows, reading it once; how many rows are new in each.
    And the arguments behind those that say which tail."""
    arguments: list[object] = []
    written = []
    for number, rollup in enumerate(rollups):
        arguments.append(rollup["rollup_id"])
        placeholder = f"${_TAIL_ARGUMENTS + len(arguments)}"
        grid = _grid(rollup)
        days = day_starts(grid, extent["first"], extent["last"])
        arguments += days
        bucket = bucket_sql(grid, f"${_TAIL_ARGUMENTS + len(arguments)}")
        written.append(_written_sql(number, placeholder, bucket, tuple(rollup["columns"])))
    columns = sorted({column for rollup in rollups for column in rollup["columns"]})
    added = ", ".join(
        f"(SELECT count(*) FILTER (WHERE is_new) FROM written{number})"  # noqa: S608 - numbers
        for number in range(len(rollups))
    )
    sql = f"""
        WITH tail AS (
            SELECT {", ".join(("originated_at", "amount", *columns))}
              FROM register_items
             WHERE store_id = $1 AND register_id = $2
               AND version > $3 AND version <= $4
               AND originated_at >= $5 AND originated_at < $6
        ), {", ".join(written)}
        SELECT {added}"""  # noqa: S608 - columns come from CHECKed rows of ours
    return sql, arguments


def _written_sql(number: int, rollup_id: str, bucket: str, columns: tuple[str, ...]) -> str:
    keys = "".join(f", coalesce({column}, '') AS k{n}" for n, column in enumerate(columns))
    names = "".join(f", k{n}" for n in range(len(columns)))
    return f"""written{number} AS (
            INSERT INTO rollup_rows AS held
                   (store_id, rollup_id, bucket{names}, items, amount, low, high)
            SELECT $1, {rollup_id}::bigint, bucket{names}, count(*), sum(amount), min(amount),
                   max(amount)
              FROM (SELECT {bucket} AS bucket{keys}, amount FROM tail) AS cut
             GROUP BY bucket{names}
            ON CONFLICT (store_id, rollup_id, bucket, k0, k1, k2, k3)
            DO UPDATE SET items = held.items + excluded.items,
                          amount = held.amount + excluded.amount,
                          low = least(held.low, excluded.low),
                          high = greatest(held.high, excluded.high)
            RETURNING xmax = 0 AS is_new
        )"""  # noqa: S608 - columns come from CHECKed rows of ours
