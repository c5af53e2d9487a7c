"""Rollups: what a register has, whether it agrees with its items, building it anew.

Comes in: TALLYPORT_DATABASE_URL. Goes out: tables, and rows of `rollup_rows`. Recording and
questions go on meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from cli.administration import StoreId, connected, database_settings
from cli.command import Answer, command
from cli.outcomes import RefusedError
from cli.tables import table
from shared.database.pool import Connection, Database
from shared.rollups import definitions
from shared.rollups.checking import check
from shared.rollups.definitions import Rollup
from shared.rollups.folding import rebuild

app = typer.Typer(
    help="Totals kept by bucket of time, which answers are read from.", no_args_is_help=True
)

RegisterId = Annotated[int, typer.Option("--register", min=1, help="The register's id.")]
OneRollup = Annotated[
    int | None, typer.Option("--rollup", min=1, help="Only this one; all of them without.")
]
COLUMNS = (
    *("rollup_id", "grain", "zone", "columns", "synced_version", "extremes", "rejected"),
    *("rows_held", "items_held"),
)


@command(app, "list")
async def rollup_list(*, store: StoreId, register: RegisterId) -> Answer:
    """Show a register's rollups."""
    async with database() as opened, opened.acquire(store_id=store) as connection:
        found = [_shown(r) for r in await definitions.of_register(connection, store, register)]
    rows = [[rollup[column] for column in COLUMNS] for rollup in found]
    return Answer({"rollups": found}, table("Rollups", COLUMNS, rows))


@command(app, "check")
async def rollup_check(*, store: StoreId, register: RegisterId, rollup: OneRollup = None) -> Answer:
    """Compare rollups with the items they were made of. Refused (exit code 1) if any differs."""
    results: list[dict[str, Any]] = []
    async with database() as opened:
        async with opened.acquire(store_id=store) as connection:
            found = await _chosen(connection, store, register, rollup)
        for one in found:
            checked = await check(opened, store, one.rollup_id)
            results.append(
                {
                    "rollup_id": one.rollup_id,
                    "disagreements": checked.disagreements,
                    "sample": [
                        {key: str(value) for key, value in row.items()} for row in checked.sample
                    ],
                }
            )
    wrong = [result for result in results if result["disagreements"]]
    if wrong:
        first = wrong[0]
        raise RefusedError(
            f"{len(wrong)} of {len(results)} rollups disagree with their items; rollup "
            f"{first['rollup_id']} in {first['disagreements']} rows, such as {first['sample'][0]}. "
            "`tallyport rollup rebuild` builds them anew"
        )
    return Answer({"checked": results}, f"{len(results)} rollups agree with their items")


@command(app, "rebuild")
async def rollup_rebuild(
    *, store: StoreId, register: RegisterId, rollup: OneRollup = None
) -> Answer:
    """Build rollups anew from the items, for instance after loading data past the recorder."""
    results: list[dict[str, Any]] = []
    async with database() as opened:
        async with opened.acquire(store_id=store) as connection:
            found = await _chosen(connection, store, register, rollup)
        for one in found:
            items = await rebuild(opened, store, register, one.rollup_id)
            results.append({"rollup_id": one.rollup_id, "items_held": items})
    return Answer({"rebuilt": results}, f"{len(results)} rollups are built anew")


@asynccontextmanager
async def database() -> AsyncIterator[Database]:
    """A pool on the database, once it is known to be there."""
    async with connected():
        pass  # so that an unreachable database is told in the same words as everywhere
    async with Database.open(database_settings(), name="tallyport rollup", pool_max=2) as opened:
        yield opened


async def _chosen(
    connection: Connection, store: int, register: int, rollup: int | None
) -> list[Rollup]:
    found = [
        one
        for one in await definitions.of_register(connection, store, register)
        if rollup in (None, one.rollup_id)
    ]
    if not found:
        raise RefusedError(f"register {register} of store {store} has no such rollup")
    return found


def _shown(rollup: Rollup) -> dict[str, Any]:
    return {
        "rollup_id": rollup.rollup_id,
        "grain": rollup.grid.grain.value,
        "zone": rollup.grid.zone,
        "columns": list(rollup.columns),
        "synced_version": rollup.synced_version,
        "extremes": rollup.has_extremes,
        "rejected": rollup.is_rejected,
        "rows_held": rollup.rows_held,
        "items_held": rollup.items_held,
    }
