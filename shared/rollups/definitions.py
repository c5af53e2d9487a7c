"""Which rollups a register has.

Comes in: a connection, a register. Goes out: `Rollup`s. Every register has its totals by quarter
of an hour, by hour and by day of the store's zone; rollups by columns come with the questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.rollups.grid import Grain, Grid, zone_digest

_SQL = load_queries(__file__)

COLUMNS_MAX = 4


@dataclass(frozen=True, slots=True)
class Rollup:
    """`columns` are physical ones, ascending; the n-th is `kn` in its rows. Without `has_extremes`
    it was filled before the least and the greatest amounts were kept, and is to be built anew."""

    rollup_id: int
    register_id: int
    grid: Grid
    zone_digest: str
    columns: tuple[str, ...]
    synced_version: int
    has_extremes: bool
    is_rejected: bool
    rows_held: int
    items_held: int
    first_bucket: datetime | None
    last_bucket: datetime | None

    @property
    def is_current(self) -> bool:
        """Whether its days are cut by the rules that this process knows."""
        return not self.grid.zone or self.zone_digest == zone_digest(self.grid.zone)


def totals_grids(zone: str) -> tuple[Grid, ...]:
    """What every register of a store in this zone has."""
    return (Grid(Grain.QUARTER), Grid(Grain.HOUR), Grid(Grain.DAY, zone))


async def ensure(
    connection: Connection,
    store_id: int,
    register_id: int,
    grid: Grid,
    columns: Sequence[str] = (),
) -> bool:
    """Define a rollup; False when it is there already."""
    found = await connection.fetchval(
        _SQL["ensure"],
        store_id,
        register_id,
        grid.grain.value,
        grid.zone,
        zone_digest(grid.zone) if grid.zone else "",
        sorted(columns),
    )
    return found is not None


async def of_register(connection: Connection, store_id: int, register_id: int) -> list[Rollup]:
    """The register's rollups, whatever their state."""
    rows = await connection.fetch(_SQL["of_register"], store_id, register_id)
    return [_rollup(row, row["first_bucket"], row["last_bucket"]) for row in rows]


def from_json(rows: Sequence[Mapping[str, Any]]) -> list[Rollup]:
    """Rollups that came along with their register, as JSON; times are seconds since 1970."""
    return [
        _rollup(row, _instant(row["first_bucket"]), _instant(row["last_bucket"])) for row in rows
    ]


def _instant(epoch_seconds: float | None) -> datetime | None:
    return None if epoch_seconds is None else datetime.fromtimestamp(epoch_seconds, UTC)


def _rollup(row: Any, first: datetime | None, last: datetime | None) -> Rollup:
    return Rollup(
        rollup_id=row["rollup_id"],
        register_id=row["register_id"],
        grid=Grid(Grain(row["grain"]), row["zone"]),
        zone_digest=row["zone_digest"],
        columns=tuple(row["columns"]),
        synced_version=row["synced_version"],
        has_extremes=row["has_extremes"],
        is_rejected=row["is_rejected"],
        rows_held=row["rows_held"],
        items_held=row["items_held"],
        first_bucket=first,
        last_bucket=last,
    )


async def note_demand(connection: Connection, store_id: int, rollup_id: int, *, times: int) -> int:
    """Count that questions would have liked it; how often so far."""
    asked = await connection.fetchval(_SQL["note_demand"], store_id, rollup_id, times)
    return int(asked or 0)


async def remove(connection: Connection, store_id: int, rollup_id: int) -> None:
    """Forget a rollup and what it holds."""
    await connection.execute(_SQL["remove"], store_id, rollup_id)


async def any_one(connection: Connection, *, items_max: int) -> tuple[int, int] | None:
    """(store_id, rollup_id) of one that holds something, but not more than this."""
    row = await connection.fetchrow(_SQL["any_one"], items_max)
    return (row["store_id"], row["rollup_id"]) if row else None
