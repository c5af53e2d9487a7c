"""Transactions on a real server: what is kept of them, and what the sales register says.

The second opinion below reckons in whole units of 10^-12 with Python's integers, from the same
input, and shares nothing with the product.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.recorder import writing
from services.recorder.record_transactions import record_transactions
from shared.contracts.recording import Recorded, RecordTransactions
from shared.database import registers
from shared.database.accounts import Store
from shared.database.pool import Connection, Database
from shared.errors import InvalidArgumentError, NotFoundError

# ISO 4217; the store's own is GBP.
DIGITS = {None: 2, "JPY": 0, "USD": 2, "KWD": 3}
START = datetime(2024, 1, 1, tzinfo=UTC)
SCALE = 12

Raw = dict[str, Any]


def _message(store: Store, *transactions: Raw) -> RecordTransactions:
    return RecordTransactions.model_validate(
        {"store_id": store.store_id, "transactions": transactions}
    )


async def _record(database: Database, store: Store, *transactions: Raw) -> tuple[int, int, int]:
    recorded: Recorded = await record_transactions(database, _message(store, *transactions))
    return recorded.inserted, recorded.replaced, recorded.duplicates


def _sale(key: str = "t1", **fields: Any) -> Raw:
    return {
        "id": key,
        "customer_id": "c1",
        "transaction_date": START.isoformat(),
        "country": "GB",
        "items": [
            {"sku": "A", "name": "Apple", "category": "fruit", "quantity": "3", "price": "1.25"},
            {"sku": "B", "quantity": "1", "price": "10", "amount": "9.99"},
        ],
        "discounts": [{"code": "WELCOME", "name": "Welcome!", "amount": "2.50"}],
        "payments": [{"method": "card", "amount": "15.04"}],
        "tax": "2.20",
        "shipping": "1.60",
        **fields,
    }


async def _ledger(connection: Connection, store: Store) -> list[dict[str, Any]]:
    """The sales register's lines by label, in the order of their keys."""
    register = await registers.find_sales_register(connection, store.store_id)
    assert register is not None
    rows = await connection.fetch(
        "SELECT * FROM register_items WHERE store_id = $1 AND register_id = $2 ORDER BY unique_key",
        store.store_id,
        register.register_id,
    )
    return [
        {
            "key": row["unique_key"],
            "amount": row["amount"],
            "at": row["originated_at"],
            "description": row["description"],
            "units": row["units"],
            **{label: row[column] for column, label in register.meta.items()},
        }
        for row in rows
    ]


async def _rows(connection: Connection, store: Store, table: str) -> list[dict[str, Any]]:
    assert table.startswith("transaction")
    rows = await connection.fetch(
        f"SELECT * FROM {table} WHERE store_id = $1 ORDER BY transaction_id",  # noqa: S608
        store.store_id,
    )
    return [dict(row) for row in rows]


async def _version(connection: Connection, store: Store) -> int:
    register = await registers.find_sales_register(connection, store.store_id)
    return -1 if register is None else register.version


async def test_a_sale_is_kept_and_posted(database: Database, store: Store) -> None:
    assert await _record(database, store, _sale()) == (1, 0, 0)
    async with database.acquire() as connection:
        (kept,) = await _rows(connection, store, "transactions")
        lines = await _ledger(connection, store)
        assert len(await _rows(connection, store, "transaction_items")) == 2
        (payment,) = await _rows(connection, store, "transaction_payments")
        version = await _version(connection, store)
        event = await connection.fetchval(
            "SELECT convert_from(body, 'UTF8')::jsonb FROM outbox WHERE store_id = $1",
            store.store_id,
        )
    totals = ("items", "discount", "tax", "shipping", "order")
    assert [str(kept[f"total_{name}"]) for name in totals] == [
        "13.74",
        "2.50",
        "2.20",
        "1.60",
        "15.04",
    ]
    assert (kept["currency"], kept["revision"], kept["posted_lines"]) == ("GBP", 1, 5)
    assert payment["paid_at"] == START
    assert [(line["key"], str(line["amount"]), line["line_type"]) for line in lines] == [
        ("t1/1/1", "3.75", "item"),
        ("t1/1/2", "9.99", "item"),
        ("t1/1/3", "-2.50", "discount"),
        ("t1/1/4", "2.20", "tax"),
        ("t1/1/5", "1.60", "shipping"),
    ]
    assert lines[0] == {
        "key": "t1/1/1",
        "amount": Decimal("3.75"),
        "at": START,
        "description": "Apple",
        "units": "GBP",
        "transaction_id": "t1",
        "customer_id": "c1",
        "sku": "A",
        "line_type": "item",
        "country": "GB",
        "currency": "GBP",
        "category": "fruit",
        "transaction_type": "sale",
        "payment_method": "card",
        "coupon": None,
    }
    assert (lines[2]["description"], lines[2]["coupon"], lines[2]["sku"]) == (
        "Welcome!",
        "WELCOME",
        None,
    )
    assert [line["description"] for line in lines[3:]] == ["Tax", "Shipping"]
    assert version == 1
    assert (event["version"], event["inserted"]) == (1, 5)


async def test_the_same_again_changes_nothing(database: Database, store: Store) -> None:
    await _record(database, store, _sale())
    again = _sale(currency="GBP", tax="2.2000", transaction_date="2024-01-01T01:00:00+01:00")
    again["items"][0]["amount"] = "3.75"
    again["payments"][0]["paid_at"] = START.isoformat()
    assert await _record(database, store, again) == (0, 0, 1)
    async with database.acquire() as connection:
        (kept,) = await _rows(connection, store, "transactions")
        assert kept["revision"] == 1
        assert len(await _ledger(connection, store)) == 5
        assert await _version(connection, store) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"tax": "2.21"},
        {"customer_id": None},
        {"country": ""},
        {"transaction_date": "2024-01-01T00:00:01Z"},
        {"currency": "EUR"},
        {"items": []},
        {"discounts": [{"code": "WELCOME", "name": "", "amount": "2.50"}]},
        {"payments": [{"method": "card", "amount": "15.04", "paid_at": "2024-01-02T00:00:00Z"}]},
    ],
)
async def test_a_change_reverses_and_posts_again(
    database: Database, store: Store, change: Raw
) -> None:
    await _record(database, store, _sale())
    async with database.acquire() as connection:
        before = await _ledger(connection, store)
    assert await _record(database, store, _sale(**change)) == (0, 1, 0)
    async with database.acquire() as connection:
        (kept,) = await _rows(connection, store, "transactions")
        lines = {line["key"]: line for line in await _ledger(connection, store)}
        assert await _version(connection, store) == 2
    assert kept["revision"] == 2
    for line in before:
        assert lines[line["key"]] == line
        assert lines[f"{line['key']} - VOID"] == {
            **line,
            "key": f"{line['key']} - VOID",
            "description": f"{line['description']} - VOID",
            "amount": -line["amount"],
        }
    new = [line for key, line in lines.items() if key.startswith("t1/2/")]
    assert len(new) == kept["posted_lines"]
    assert len(lines) == 10 + len(new)
    assert sum(line["amount"] for line in new) == kept["total_order"]


async def test_what_does_not_count_leaves_the_ledger(database: Database, store: Store) -> None:
    await _record(database, store, _sale())
    assert await _record(database, store, _sale(status="voided")) == (0, 1, 0)
    assert await _record(database, store, _sale(status="voided", is_test=True)) == (0, 1, 0)
    async with database.acquire() as connection:
        lines = await _ledger(connection, store)
        (kept,) = await _rows(connection, store, "transactions")
        assert await _version(connection, store) == 2  # the last change moved nothing
    assert len(lines) == 10
    assert sum(line["amount"] for line in lines) == 0
    assert (kept["revision"], kept["posted_lines"], kept["total_order"]) == (3, 0, Decimal("15.04"))
    assert await _record(database, store, _sale()) == (0, 1, 0)
    async with database.acquire() as connection:
        lines = await _ledger(connection, store)
    assert sum(line["amount"] for line in lines) == Decimal("15.04")


async def test_an_id_twice_in_a_batch_is_refused(database: Database, store: Store) -> None:
    with pytest.raises(InvalidArgumentError, match="'t1'") as raised:
        await _record(database, store, _sale(), _sale("t2"), _sale())
    assert [(each.index, each.field) for each in raised.value.details] == [(2, "id")]
    async with database.acquire() as connection:
        assert await _rows(connection, store, "transactions") == []
        assert await registers.find_sales_register(connection, store.store_id) is None


async def test_a_store_that_does_not_exist(database: Database, store: Store) -> None:
    message = _message(store, _sale()).model_copy(update={"store_id": 2**62})
    with pytest.raises(NotFoundError, match=r"^Invalid store_id$"):
        await record_transactions(database, message)


async def test_the_first_transactions_at_once(database: Database, store: Store) -> None:
    """Each would make the sales register."""
    results = await asyncio.gather(*(_record(database, store, _sale(f"t{n}")) for n in range(10)))
    assert results == [(1, 0, 0)] * 10
    async with database.acquire() as connection:
        assert len(await _ledger(connection, store)) == 50
        assert await _version(connection, store) == 10


async def test_replacements_of_the_same_at_once(
    database: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty writers, overlapping ids in any order: each replacement sees the one before it, and
    none needs a second attempt because of a deadlock."""
    monkeypatch.setattr(writing, "ATTEMPTS_MAX", 1)
    seeded = random.Random(7)  # noqa: S311
    ids = [f"t{n}" for n in range(12)]

    async def send(number: int) -> tuple[int, int, int]:
        chosen = seeded.sample(ids, 8)
        return await _record(
            database, store, *(_sale(key, tax=f"{number}.{number:02d}") for key in chosen)
        )

    results = await asyncio.gather(*(send(number) for number in range(20)))
    async with database.acquire() as connection:
        kept = await _rows(connection, store, "transactions")
        lines = await _ledger(connection, store)
        items = await _rows(connection, store, "transaction_items")
    assert sum(inserted for inserted, _, _ in results) == len(kept)
    assert all(duplicates == 0 for _, _, duplicates in results)
    assert sum(row["revision"] for row in kept) == 20 * 8
    assert len(items) == 2 * len(kept)
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        sums[line["transaction_id"]] += line["amount"]
    assert sums == {row["transaction_id"]: row["total_order"] for row in kept}


async def test_writers_that_come_from_both_ends(
    database: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same ids in opposite orders: without an order of their own they would deadlock."""
    monkeypatch.setattr(writing, "ATTEMPTS_MAX", 1)
    for start in range(0, 1_600, 400):
        ids = [f"t{number}" for number in range(start, start + 400)]
        one: list[Raw] = [{"id": key, "transaction_date": START} for key in ids]
        other = [{**raw, "tax": "1"} for raw in reversed(one)]
        results = await asyncio.gather(
            _record(database, store, *one), _record(database, store, *other)
        )
        assert sorted(results) == [(0, 400, 0), (400, 0, 0)]


# The second opinion ---------------------------------------------------------------------------


def _units(text: str) -> int:
    """A decimal as whole units of 10^-12, by hand."""
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text.lstrip("-").partition(".")
    return sign * int(whole + fraction.ljust(SCALE, "0"))


def _rounded(product: int, digits: int) -> int:
    """A product (10^-24) in units, rounded half-even to `digits` decimals."""
    step = 10 ** (2 * SCALE - digits)
    quotient, rest = divmod(product, step)
    quotient += 2 * rest > step or (2 * rest == step and quotient % 2 == 1)
    return int(quotient) * 10 ** (SCALE - digits)


def _order(raw: Raw) -> int:
    digits = DIGITS[raw.get("currency")]
    total = _units(raw["tax"]) + _units(raw["shipping"])
    for item in raw["items"]:
        total += (
            _units(item["amount"])
            if "amount" in item
            else _rounded(_units(item["quantity"]) * _units(item["price"]), digits)
        )
    return total - sum(_units(discount["amount"]) for discount in raw["discounts"])


def _random_transaction(seeded: random.Random, key: str) -> Raw:
    sign = seeded.choice(["", "", "-"])
    amount = lambda: f"{seeded.randrange(200)}.{seeded.randrange(10_000):04d}"  # noqa: E731
    items = [
        {
            "sku": f"S{seeded.randrange(5)}",
            "quantity": f"{sign}{seeded.randrange(1, 20)}.{seeded.choice(['0', '5', '125'])}",
            "price": amount(),
            **({"amount": sign + amount()} if seeded.random() < 0.2 else {}),
        }
        for _ in range(seeded.randrange(4))
    ]
    return {
        "id": key,
        "transaction_date": (START + timedelta(hours=seeded.randrange(9_000))).isoformat(),
        "type": "refund" if sign else "sale",
        "status": seeded.choice(["completed", "completed", "completed", "voided", "cancelled"]),
        "is_test": seeded.random() < 0.1,
        "currency": seeded.choice([*DIGITS]),
        "items": items,
        "discounts": [{"code": "C", "amount": sign + amount()} for _ in range(seeded.randrange(3))],
        "tax": seeded.choice(["0", sign + amount()]),
        "shipping": seeded.choice(["0", "0.00", sign + amount()]),
    }


@pytest.mark.parametrize("seed", range(5))
async def test_any_sequence_of_replacements_adds_up(
    database: Database, store: Store, seed: int
) -> None:
    seeded = random.Random(seed)  # noqa: S311
    expected: dict[str, tuple[Raw, int]] = {}
    earlier: list[dict[str, Any]] = []
    for _ in range(8):
        keys = seeded.sample([f"t{n}/1" for n in range(10)], seeded.randrange(1, 8))
        batch = []
        for key in keys:
            known = expected.get(key)
            if known and seeded.random() < 0.3:
                batch.append(known[0])
            else:
                batch.append(_random_transaction(seeded, key))
                expected[key] = (batch[-1], _order(batch[-1]))
        await _record(database, store, *batch)
        async with database.acquire() as connection:
            kept = await _rows(connection, store, "transactions")
            lines = await _ledger(connection, store)
        # Append-only: whatever was there is there, unchanged.
        now = {line["key"]: line for line in lines}
        assert all(now[line["key"]] == line for line in earlier)
        earlier = lines
        assert {row["transaction_id"]: _exact(row["total_order"]) for row in kept} == {
            key: order for key, (_, order) in expected.items()
        }
        sums: defaultdict[str, int] = defaultdict(int)
        moments: defaultdict[tuple[str, datetime], int] = defaultdict(int)
        for line in lines:
            sums[line["transaction_id"]] += _exact(line["amount"])
            moments[line["transaction_id"], line["at"]] += _exact(line["amount"])
        for key, (raw, order) in expected.items():
            counts = raw["status"] == "completed" and not raw["is_test"]
            assert sums[key] == (order if counts else 0)
            # The reverses are where the lines were: only the live date has anything left.
            live = datetime.fromisoformat(raw["transaction_date"])
            left = {at for (which, at), total in moments.items() if which == key and total}
            assert left <= {live}


def _exact(value: Decimal) -> int:
    return _units(format(value, "f"))
