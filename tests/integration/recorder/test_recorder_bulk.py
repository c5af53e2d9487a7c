"""A large writing: what it looks like in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from services.recorder.record_items import ItemRecorder
from shared.contracts.item_columns import ItemBatch
from shared.database import registers
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.database.registers import Register

LABELS = {"meta0": "account", "meta1": "note"}
TEXTS = ("plain", "a\tb", "a\nb\r", "\\N", "\\", "ü 😀")
NOTES = (*TEXTS, "", None)


@pytest.fixture
async def register(database: Database, store: Store) -> Register:
    async with database.acquire() as connection:
        return await registers.insert_register(
            connection, store.store_id, name="Ledger", units="USD", meta=LABELS
        )


def _batch(register: Register, items: list[dict[str, object]]) -> ItemBatch:
    moment = datetime(2024, 1, 1, tzinfo=UTC).isoformat()
    return ItemBatch.model_validate(
        {
            "store_id": register.store_id,
            "register_id": register.register_id,
            "items": [{"amount": "1.10", "originated_at": moment, **item} for item in items],
        }
    )


@pytest.mark.parametrize("notes", [NOTES, ("plain", None), ("", "plain"), ("plain",), (None,)])
async def test_every_text_is_in_the_ledger_as_it_was_sent(
    database: Database, register: Register, recorder: ItemRecorder, notes: tuple[str | None, ...]
) -> None:
    sent = [
        {"unique_key": f"{number}{text}", "description": text, "meta": {"note": note}}
        for number, (text, note) in enumerate(product(TEXTS, notes))
    ]

    await recorder.record(_batch(register, sent))

    async with database.acquire(store_id=register.store_id) as connection:
        rows = await connection.fetch(
            "SELECT unique_key, description, meta0, meta1, units FROM register_items "
            "WHERE register_id = $1",
            register.register_id,
        )
    wanted = {
        (f"{number}{text}", text, None, note or None, "USD")
        for number, (text, note) in enumerate(product(TEXTS, notes))
    }
    assert {tuple(row) for row in rows} == wanted
