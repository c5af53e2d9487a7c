"""Registers on a real server: who finds them, what may change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.recorder.change_registers import create_register, update_register
from shared.contracts.recording import NewRegister, RegisterChange, RegisterCreate, RegisterUpdate
from shared.database import accounts, registers
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.database.registers import Register
from shared.errors import ConflictError, NotFoundError


def _create(store: Store, **definition: Any) -> RegisterCreate:
    return RegisterCreate(
        store_id=store.store_id, definition=NewRegister.model_validate(definition)
    )


async def _find(database: Database, store_id: int, register_id: int) -> Register | None:
    async with database.acquire() as connection:
        return await registers.find_register(connection, store_id, register_id)


async def test_create_find_and_list(database: Database, store: Store) -> None:
    saved = [
        await create_register(database, _create(store, name=f"R{n}", units="kg", meta=["b", "a"]))
        for n in range(3)
    ]
    ids = [each.register_id for each in saved]
    found = await _find(database, store.store_id, ids[0])
    assert found is not None
    assert (found.name, found.units, found.version, found.is_sales) == ("R0", "kg", 0, False)
    assert list(found.meta.items()) == [("meta0", "b"), ("meta1", "a")]
    async with database.acquire() as connection:
        page = await registers.list_registers(connection, store.store_id, limit=2, offset=1)
        assert [each.register_id for each in page] == ids[1:]
        assert await registers.count_registers(connection, store.store_id) == 3
        assert await registers.store_of_register(connection, ids[0]) == store.store_id
        assert await registers.store_of_register(connection, 2**62) is None
        other = await accounts.create_store(
            connection, name="Other", timezone="UTC", currency="USD"
        )
    assert await _find(database, other.store_id, ids[0]) is None


async def test_a_store_that_does_not_exist_has_no_registers(
    database: Database, store: Store
) -> None:
    message = _create(store, name="R").model_copy(update={"store_id": 2**62})
    with pytest.raises(NotFoundError, match=r"^Invalid store_id$"):
        await create_register(database, message)


async def test_a_creation_that_comes_twice_makes_one_register(
    database: Database, store: Store
) -> None:
    message = _create(store, name="R", meta=["a"])
    first = await create_register(database, message)
    again = await create_register(database, message, redelivered=True)
    assert again.register_id == first.register_id
    # Two requests that look alike are two registers.
    other = await create_register(database, _create(store, name="R", meta=["a"]))
    assert other.register_id != first.register_id


async def test_change_keeps_what_is_in_use(database: Database, store: Store) -> None:
    saved = await create_register(database, _create(store, name="R", meta={"meta1": "a"}))

    def change(**fields: Any) -> RegisterUpdate:
        return RegisterUpdate(
            store_id=store.store_id,
            register_id=saved.register_id,
            change=RegisterChange.model_validate(fields),
        )

    await update_register(database, change(name="S", meta={"meta0": "b"}))
    now = await _find(database, store.store_id, saved.register_id)
    assert now is not None
    assert (now.name, now.meta, now.version) == ("S", {"meta0": "b", "meta1": "a"}, 1)
    for meta in ({"meta1": "c"}, {"meta2": "a"}):
        with pytest.raises(ConflictError, match="'a'"):
            await update_register(database, change(meta=meta))
    # Nothing changes: remembered answers stay good.
    await update_register(database, change(name="S", meta={"meta1": "a"}))
    assert await _find(database, store.store_id, saved.register_id) == now
    with pytest.raises(NotFoundError, match=r"^Invalid register_id$"):
        await update_register(database, change(name="T").model_copy(update={"register_id": 2**62}))


async def test_labels_added_at_once_are_all_there(database: Database, store: Store) -> None:
    saved = await create_register(database, _create(store, name="R"))

    async def add(label: str) -> None:
        async with database.transaction() as connection:
            await registers.update_register(
                connection, store.store_id, saved.register_id, labels=[label]
            )

    await asyncio.gather(*(add(f"label{n}") for n in range(10)))
    now = await _find(database, store.store_id, saved.register_id)
    assert now is not None
    assert sorted(now.meta.values()) == [f"label{n}" for n in range(10)]


async def test_a_store_has_one_sales_register_however_many_ask(
    database: Database, store: Store
) -> None:
    async def ensure() -> int:
        async with database.transaction() as connection:
            register = await registers.ensure_sales_register(
                connection, store.store_id, units="GBP"
            )
        return register.register_id

    ids = await asyncio.gather(*(ensure() for _ in range(10)))
    assert len(set(ids)) == 1
    async with database.acquire() as connection:
        register = await registers.find_sales_register(connection, store.store_id)
    assert register is not None
    assert (register.register_id, register.is_sales) == (ids[0], True)
    assert register.meta == registers.SALES_META
