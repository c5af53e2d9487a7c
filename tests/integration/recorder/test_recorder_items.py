"""Items on a real server: all or none, duplicates, contradictions, writers at once."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from services.recorder import ledger, writing
from services.recorder.record_items import ItemRecorder, write_batches
from services.recorder.void_item import void_item
from shared.contracts.item_columns import ItemBatch
from shared.contracts.recording import Item, Recorded, RecordItems, VoidItem
from shared.database import accounts, registers
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.database.registers import Register
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError, UnavailableError

START = datetime(2024, 1, 1, tzinfo=UTC)
LABELS = {"meta0": "account", "meta3": "warehouse"}


@pytest.fixture
async def register(database: Database, store: Store) -> Register:
    async with database.acquire() as connection:
        return await registers.insert_register(
            connection, store.store_id, name="Ledger", units="USD", meta=LABELS
        )


def _item(key: str, amount: str = "1.10", **fields: Any) -> Item:
    values = {"unique_key": key, "amount": amount, "originated_at": START, **fields}
    return Item.model_validate(values)


def _batch(register: Register, *items: Item) -> RecordItems:
    return RecordItems(store_id=register.store_id, register_id=register.register_id, items=items)


def _counts(recorded: Recorded) -> tuple[int, int, int]:
    return recorded.inserted, recorded.replaced, recorded.duplicates


async def _rows(database: Database, register: Register) -> list[dict[str, Any]]:
    async with database.acquire() as connection:
        rows = await connection.fetch(
            "SELECT * FROM register_items WHERE store_id = $1 AND register_id = $2"
            " ORDER BY unique_key",
            register.store_id,
            register.register_id,
        )
    return [dict(row) for row in rows]


async def _version(database: Database, register: Register) -> int:
    async with database.acquire() as connection:
        now = await registers.find_register(connection, register.store_id, register.register_id)
    assert now is not None
    return now.version


async def _events(database: Database, register: Register) -> list[dict[str, Any]]:
    async with database.acquire() as connection:
        rows = await connection.fetch(
            "SELECT convert_from(body, 'UTF8')::jsonb AS body FROM outbox"
            " WHERE store_id = $1 AND kind = 'items.recorded.v1' ORDER BY outbox_id",
            register.store_id,
        )
    bodies = [row["body"] for row in rows]
    return [body for body in bodies if body["register_id"] == register.register_id]


async def test_what_is_sent_is_what_is_there(
    database: Database, register: Register, recorder: ItemRecorder
) -> None:
    moment = datetime(2024, 5, 1, 12, 30, 0, 123_456, tzinfo=UTC)
    items = [
        _item("a", "0.1", description="tea; \t\\N\n", meta={"warehouse": "N", "account": 7}),
        _item("b", "-99999999999999999999999999999999999.001", originated_at=moment, units=""),
        _item("c", "1E+3", meta={"account": "", "warehouse": None}, units="kg"),
    ]
    assert _counts(await recorder.record(_batch(register, *items))) == (3, 0, 0)
    rows = await _rows(database, register)
    assert [(row["unique_key"], row["amount"], row["units"]) for row in rows] == [
        ("a", Decimal("0.1"), "USD"),
        ("b", Decimal("-99999999999999999999999999999999999.001"), ""),
        ("c", Decimal(1000), "kg"),
    ]
    assert [(row["meta0"], row["meta3"]) for row in rows] == [
        ("7", "N"),
        (None, None),
        (None, None),
    ]
    assert rows[0]["description"] == "tea; \t\\N\n"
    assert rows[1]["originated_at"] == moment
    assert await _version(database, register) == 1
    assert [
        (event["version"], event["inserted"]) for event in await _events(database, register)
    ] == [(1, 3)]


async def test_the_same_again_changes_nothing(
    database: Database, register: Register, recorder: ItemRecorder
) -> None:
    first = _batch(register, _item("a", "1.10", meta={"account": "x"}), _item("b"))
    again = _batch(
        register,
        _item("a", "1.1000", meta={"account": "x", "warehouse": ""}, units="USD"),
        _item("b", originated_at=START.astimezone().isoformat()),
        _item("c"),
        _item("c", "1.1"),
    )
    await recorder.record(first)
    before = await _rows(database, register)
    assert _counts(await recorder.record(first)) == (0, 0, 2)
    assert await _rows(database, register) == before
    assert await _version(database, register) == 1
    assert len(await _events(database, register)) == 1
    assert _counts(await recorder.record(again)) == (1, 0, 3)
    assert await _version(database, register) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "1.11"},
        {"originated_at": START + timedelta(microseconds=1)},
        {"description": "other"},
        {"units": "EUR"},
        {"meta": {"account": "y"}},
        {"meta": {}},
    ],
)
async def test_the_same_key_for_something_else_is_a_conflict(
    database: Database, register: Register, recorder: ItemRecorder, change: dict[str, Any]
) -> None:
    await recorder.record(_batch(register, _item("k", meta={"account": "x"})))
    other = _item("k", **{"meta": {"account": "x"}, **change})
    with pytest.raises(ConflictError, match="'k'") as raised:
        await recorder.record(_batch(register, _item("new1"), _item("new2"), other))
    assert [detail.index for detail in raised.value.details] == [2]
    assert [row["unique_key"] for row in await _rows(database, register)] == ["k"]
    assert await _version(database, register) == 1


async def test_a_batch_may_not_contradict_itself(
    database: Database, register: Register, recorder: ItemRecorder
) -> None:
    with pytest.raises(ConflictError) as raised:
        await recorder.record(_batch(register, _item("a", "1"), _item("b"), _item("a", "2")))
    assert [detail.index for detail in raised.value.details] == [2]
    assert await _rows(database, register) == []


async def test_an_unknown_label_refuses_the_whole_batch(
    database: Database, register: Register, recorder: ItemRecorder
) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        await recorder.record(_batch(register, _item("a"), _item("b", meta={"meta0": "x"})))
    assert [(each.index, each.field) for each in raised.value.details] == [(1, "meta.meta0")]
    assert await _rows(database, register) == []


async def test_a_register_of_another_store_does_not_exist(
    database: Database, register: Register, recorder: ItemRecorder
) -> None:
    async with database.acquire() as connection:
        other = await accounts.create_store(
            connection, name="Other", timezone="UTC", currency="USD"
        )
    foreign = _batch(register, _item("a")).model_copy(update={"store_id": other.store_id})
    with pytest.raises(NotFoundError, match=r"^Invalid register_id$"):
        await recorder.record(foreign)
    unknown = _batch(register, _item("a")).model_copy(update={"register_id": 2**62})
    with pytest.raises(NotFoundError, match=r"^Invalid register_id$"):
        await recorder.record(unknown)
    with pytest.raises(NotFoundError, match=r"^Invalid register_id$"):
        await void_item(
            database,
            VoidItem(store_id=other.store_id, register_id=register.register_id, unique_key="a"),
        )


async def test_a_void_is_the_reverse(
    database: Database, register: Register, recorder: ItemRecorder
) -> None:
    def void(key: str) -> VoidItem:
        return VoidItem(
            store_id=register.store_id, register_id=register.register_id, unique_key=key
        )

    await recorder.record(
        _batch(register, _item("a", "12.5", description="tea", meta={"account": "x"}, units="kg"))
    )
    assert _counts(await void_item(database, void("a"))) == (1, 0, 0)
    assert _counts(await void_item(database, void("a"))) == (0, 0, 1)
    item, reverse = await _rows(database, register)
    assert reverse["unique_key"] == "a - VOID"
    assert reverse["description"] == "tea - VOID"
    assert reverse["amount"] == Decimal("-12.5")
    same = {"unique_key", "description", "amount", "recorded_at", "version"}
    assert {k: v for k, v in item.items() if k not in same} == {
        k: v for k, v in reverse.items() if k not in same
    }
    assert await _version(database, register) == 2
    assert [event["inserted"] for event in await _events(database, register)] == [1, 1]
    # The reverse is an item like any other: voiding it brings the first one back.
    assert _counts(await void_item(database, void("a - VOID"))) == (1, 0, 0)
    assert sum(row["amount"] for row in await _rows(database, register)) == Decimal("12.5")
    with pytest.raises(NotFoundError, match="'nothing'"):
        await void_item(database, void("nothing"))


async def test_a_void_whose_key_is_taken_is_a_conflict(
    database: Database, register: Register, recorder: ItemRecorder
) -> None:
    await recorder.record(_batch(register, _item("a", "5"), _item("a - VOID", "7")))
    with pytest.raises(ConflictError, match="a - VOID"):
        await void_item(
            database,
            VoidItem(store_id=register.store_id, register_id=register.register_id, unique_key="a"),
        )
    assert len(await _rows(database, register)) == 2


async def test_the_sales_register_is_not_for_producers(
    database: Database, store: Store, recorder: ItemRecorder
) -> None:
    async with database.transaction() as connection:
        sales = await registers.ensure_sales_register(connection, store.store_id, units="GBP")
    with pytest.raises(InvalidArgumentError, match="sales register"):
        await recorder.record(_batch(sales, _item("a")))


async def test_one_bad_batch_does_not_spoil_the_others(
    database: Database, register: Register
) -> None:
    """All six wait in one lane behind the first: contradiction, unknown label, key shared with a
    neighbour, and the batch that the contradiction would otherwise have made a duplicate."""
    recorder = ItemRecorder(database, group_items_max=10_000)
    await recorder.record(_batch(register, _item("k", "1")))
    batches = [
        _batch(register, _item("first")),
        _batch(register, _item("good1"), _item("k", "1")),
        _batch(register, _item("late", "3"), _item("k", "2")),
        _batch(register, _item("bad", meta={"nope": "x"})),
        _batch(register, _item("late", "4"), _item("good1")),
        _batch(register, _item("good2")),
    ]
    outcomes = await asyncio.gather(*map(recorder.record, batches), return_exceptions=True)
    kinds = [
        _counts(each) if isinstance(each, Recorded) else type(each).__name__ for each in outcomes
    ]
    assert kinds == [
        (1, 0, 0),
        (1, 0, 1),
        "ConflictError",
        "InvalidArgumentError",
        (1, 0, 1),
        (1, 0, 0),
    ]
    amounts = {row["unique_key"]: row["amount"] for row in await _rows(database, register)}
    assert amounts == {
        "first": Decimal("1.1"),
        "good1": Decimal("1.1"),
        "good2": Decimal("1.1"),
        "k": 1,
        "late": 4,
    }


async def test_batches_that_wait_together_are_one_transaction(
    database: Database, register: Register, recorder: ItemRecorder
) -> None:
    batches = [_batch(register, _item(f"k{n}"), _item("shared")) for n in range(8)]
    recorded = await asyncio.gather(*map(recorder.record, batches))
    assert [_counts(each) for each in recorded] == [(2, 0, 0)] + [(1, 0, 1)] * 7
    assert [event["inserted"] for event in await _events(database, register)] == [9]
    assert await _version(database, register) == 1


async def test_writers_of_the_same_keys_at_once(
    database: Database, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty tasks over four processes' worth of lanes, each key sent by several, in any order;
    none needs a second attempt because of a deadlock."""
    monkeypatch.setattr(writing, "ATTEMPTS_MAX", 1)
    seeded = random.Random(20_241_122)  # noqa: S311
    recorders = [ItemRecorder(database, group_items_max=300) for _ in range(4)]
    keys = [f"key {n}" for n in range(500)]

    async def send(number: int) -> int:
        inserted = 0
        for _ in range(5):
            chosen = seeded.sample(keys, 60)
            recorded = await recorders[number % 4].record(
                _batch(register, *(_item(key, key.split()[1]) for key in chosen))
            )
            assert recorded.inserted + recorded.duplicates == 60
            inserted += recorded.inserted
        return inserted

    inserted = await asyncio.gather(*(send(number) for number in range(20)))
    rows = await _rows(database, register)
    assert sum(inserted) == len(rows) == len({row["unique_key"] for row in rows})
    assert all(row["amount"] == int(row["unique_key"].split()[1]) for row in rows)
    events = await _events(database, register)
    assert sum(event["inserted"] for event in events) == len(rows)
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))


async def test_writers_that_come_from_both_ends(
    database: Database, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same keys in opposite orders: without an order of their own they would deadlock."""
    monkeypatch.setattr(writing, "ATTEMPTS_MAX", 1)
    recorders = [ItemRecorder(database, group_items_max=10_000) for _ in range(2)]
    for start in range(0, 8_000, 2_000):
        items = [_item(f"k{number}") for number in range(start, start + 2_000)]
        recorded = await asyncio.gather(
            recorders[0].record(_batch(register, *items)),
            recorders[1].record(_batch(register, *reversed(items))),
        )
        assert sorted(map(_counts, recorded)) == [(0, 0, 2_000), (2_000, 0, 0)]


async def test_a_writer_that_dies_leaves_nothing(
    database: Database, register: Register, recorder: ItemRecorder
) -> None:
    batch = _batch(register, _item("a"), _item("b"))

    async def write_and_die() -> None:
        async with database.transaction(store_id=register.store_id) as connection:
            await write_batches(
                connection, register.store_id, register.register_id, [ItemBatch.of(batch)]
            )
            backend = await connection.fetchval("SELECT pg_backend_pid()")
            async with database.acquire() as other:
                await other.execute("SELECT pg_terminate_backend($1, 5000)", backend)
            await connection.execute("SELECT 1")

    # Which of the two depends on where the driver notices.
    with pytest.raises((UnavailableError, asyncpg.InterfaceError)):
        await write_and_die()
    assert await _rows(database, register) == []
    assert await _version(database, register) == 0
    assert await _events(database, register) == []
    assert _counts(await recorder.record(batch)) == (2, 0, 0)


async def test_a_deadlock_is_survived(
    database: Database,
    register: Register,
    recorder: ItemRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    announce = ledger.announce
    calls = 0

    async def deadlocked_once(*arguments: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await arguments[0].execute("DO $$ BEGIN RAISE deadlock_detected; END $$")
        await announce(*arguments, **named)

    monkeypatch.setattr(ledger, "announce", deadlocked_once)
    assert _counts(await recorder.record(_batch(register, _item("a")))) == (1, 0, 0)
    assert calls == 2


async def test_nothing_but_new_keys_gets_into_a_ledger(
    database: Database, register: Register, recorder: ItemRecorder
) -> None:
    """The primary key guards what the code promises."""
    await recorder.record(_batch(register, _item("a")))
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.transaction() as connection:
            await connection.execute(
                "INSERT INTO register_items (store_id, register_id, unique_key, amount,"
                " originated_at) VALUES ($1, $2, 'a', 1, now())",
                register.store_id,
                register.register_id,
            )
