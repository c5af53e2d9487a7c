"""Compare a rollup with the items that it was made of.

Comes in: a rollup. Goes out: how many of its rows are not what the items say, and some of them. All
is read from one snapshot, up to the version that the rollup holds, while recording goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from shared.database.pool import Database
from shared.database.queries import load_queries
from shared.errors import NotFoundError
from shared.rollups.cutting import bucket_sql, day_starts
from shared.rollups.folding import BUILD_SECONDS
from shared.rollups.grid import COVER_END, COVER_START, Grain, Grid

_SQL = load_queries(__file__)
SAMPLE_ROWS = 10


@dataclass(frozen=True, slots=True)
class Checked:
    """`sample` rows: bucket, keys, then items, amount, the least and the greatest, as the items
    say and as the rollup does."""

    rollup_id: int
    disagreements: int
    sample: tuple[asyncpg.Record, ...]


async def check(database: Database, store_id: int, rollup_id: int) -> Checked:
    """Raises `NotFoundError` when there is no such rollup."""
    async with database.transaction(
        store_id=store_id, isolation="repeatable_read", readonly=True
    ) as connection:
        rollup = await connection.fetchrow(_SQL["find"], store_id, rollup_id)
        if rollup is None:
            raise NotFoundError(f"there is no rollup {rollup_id}")
        grid = Grid(Grain(rollup["grain"]), rollup["zone"])
        extent = await connection.fetchrow(
            _SQL["extent"], store_id, rollup["register_id"], COVER_START, COVER_END
        )
        first, last = (extent["first"], extent["last"]) if extent else (None, None)
        days = day_starts(grid, first or COVER_START, last or COVER_START)
        rows = await connection.fetch(
            _compare_sql(grid, tuple(rollup["columns"]), has_extremes=rollup["has_extremes"]),
            store_id,
            rollup["register_id"],
            rollup_id,
            rollup["synced_version"],
            COVER_START,
            COVER_END,
            SAMPLE_ROWS,
            *days,
            timeout=BUILD_SECONDS,
        )
    return Checked(rollup_id, rows[0]["disagreements"] if rows else 0, tuple(rows))


def _compare_sql(grid: Grid, columns: tuple[str, ...], *, has_extremes: bool) -> str:
    values = "".join(f", coalesce({column}, '') AS k{n}" for n, column in enumerate(columns))
    names = "".join(f", k{n}" for n in range(len(columns)))
    kept = ["items", "amount", *(["low", "high"] if has_extremes else [])]
    shown = ", ".join(f"{by}.{one} AS {one}_{by}" for by in ("counted", "held") for one in kept)
    return f"""
        WITH counted AS (
            SELECT bucket{names}, count(*) AS items, sum(amount) AS amount,
                   min(amount) AS low, max(amount) AS high
              FROM (SELECT {bucket_sql(grid, "$8")} AS bucket{values}, amount
                      FROM register_items
                     WHERE store_id = $1 AND register_id = $2 AND version <= $4
                       AND originated_at >= $5 AND originated_at < $6) AS items
             GROUP BY bucket{names}
        ), held AS (
            SELECT bucket{names}, items, amount, low, high
              FROM rollup_rows WHERE store_id = $1 AND rollup_id = $3
        )
        SELECT bucket{names}, {shown}, count(*) OVER () AS disagreements
          FROM counted FULL JOIN held USING (bucket{names})
         WHERE ({", ".join(f"counted.{one}" for one in kept)})
               IS DISTINCT FROM ({", ".join(f"held.{one}" for one in kept)})
         ORDER BY bucket{names} LIMIT $7"""  # noqa: S608 - columns come from CHECKed rows of ours
