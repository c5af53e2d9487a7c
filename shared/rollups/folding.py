"""Folding: bring what was recorded since into the rollups of a register.

Comes in: a database, a register. Goes out: rows of `rollup_rows` and a `synced_version` that moves
with them in one transaction, so that an item is in the rollup or in the tail and never in both.
Only one folder at a time has a rollup; how far behind it is costs speed, never truth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from shared.database.pool import EVERY_STORE, Connection, Database
from shared.database.queries import load_queries
from shared.failpoints import Step
from shared.rollups.cutting import Cut, fold_sql, in_order_of_making
from shared.rollups.grid import COVER_END, COVER_START, Grain, Grid, zone_digest

_SQL = load_queries(__file__)

# A first fold reads the whole register.
BUILD_SECONDS = 3_600.0
# A rollup is kept where it is at least this many times smaller than the items in it ...
SHRINK_MIN = 5
# ... which is judged once there are enough of them.
JUDGED_ITEMS_MIN = 20_000


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
    async with database.transaction(store_id=store_id, step=Step.ROLLUP_FOLD) as connection:
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
    async with database.acquire(store_id=store_id) as connection:
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
    async with database.transaction(store_id=store_id, step=Step.ROLLUP_FOLD) as connection:
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
    async with database.acquire(store_id=EVERY_STORE) as connection:
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
    ordered = in_order_of_making(
        [Cut(rollup["rollup_id"], _grid(rollup), tuple(rollup["columns"])) for rollup in current]
    )
    statement, arguments = fold_sql(ordered, extent["first"], extent["last"])
    added = await connection.fetchrow(statement, *tail, *arguments, timeout=BUILD_SECONDS)
    if added is None:
        raise RuntimeError("counts without a row")
    by_id = {cut.rollup_id: rows for cut, rows in zip(ordered, added, strict=True)}
    for rollup in current:
        await _advance(connection, rollup, target, by_id[rollup["rollup_id"]], extent)
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
