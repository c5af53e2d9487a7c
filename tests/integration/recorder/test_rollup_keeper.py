"""How soon the rollups have a large writing.

On a database of its own: a keeper folds and builds whatever it finds behind, and rests between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from services.recorder.record_items import ItemRecorder
from services.recorder.rollup_keeper import WORTH_A_FOLD_ITEMS, RollupKeeper
from services.recorder.settings import RecorderSettings
from shared.contracts.item_columns import ItemBatch
from shared.database import registers
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.database.registers import Register
from shared.settings import DatabaseSettings
from tests.engines import EnginesUnderTest
from tests.own_world import own_world

# Shorter than the rest between two folds below, and enough for a busy machine.
SECONDS_MAX = 30.0


@pytest.fixture
async def database(engines: EnginesUnderTest) -> AsyncIterator[Database]:
    async with own_world(engines, "keeper") as own:
        settings = DatabaseSettings(url=SecretStr(own.database_url))
        async with Database.open(settings, name="tests") as opened:
            yield opened


@pytest.fixture
async def register(database: Database, store: Store) -> Register:
    async with database.acquire() as connection:
        return await registers.insert_register(
            connection, store.store_id, name="Ledger", units="USD", meta={}
        )


def _batch(register: Register, keys: range) -> ItemBatch:
    moment = datetime(2024, 1, 1, tzinfo=UTC).isoformat()
    return ItemBatch.model_validate(
        {
            "store_id": register.store_id,
            "register_id": register.register_id,
            "items": [
                {"unique_key": str(key), "amount": "1.10", "originated_at": moment} for key in keys
            ],
        }
    )


async def test_a_large_writing_does_not_wait_for_the_rest_between_folds(
    database: Database, register: Register, recorder: ItemRecorder
) -> None:
    keeper = RollupKeeper(database, RecorderSettings(rollup_fold_seconds=60))
    task = asyncio.create_task(keeper.run())
    try:
        # Behind the first it rests, if it did not before.
        for start in (0, WORTH_A_FOLD_ITEMS):
            keys = range(start, start + WORTH_A_FOLD_ITEMS)
            saved = await recorder.record(_batch(register, keys))
            keeper.recorded(register.store_id, register.register_id, items=saved.inserted)
            await _folded(database, register, items=start + WORTH_A_FOLD_ITEMS)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _folded(database: Database, register: Register, *, items: int) -> None:
    async with (
        asyncio.timeout(SECONDS_MAX),
        database.acquire(store_id=register.store_id) as connection,
    ):
        while items != await connection.fetchval(  # noqa: ASYNC110 - the keeper does not tell
            "SELECT min(items_held) FROM rollups WHERE register_id = $1", register.register_id
        ):
            await asyncio.sleep(0.02)
