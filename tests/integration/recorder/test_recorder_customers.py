"""Customers and subscriptions on a real server: inserted or replaced by id."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.recorder import writing
from services.recorder.record_customers import record_customers
from services.recorder.record_subscriptions import record_subscriptions
from shared.contracts.recording import RecordCustomers, Recorded, RecordSubscriptions
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.errors import NotFoundError

CREATED = datetime(2024, 1, 1, tzinfo=UTC)


def _customers(store: Store, *customers: dict[str, Any]) -> RecordCustomers:
    dated = [{"date_created": CREATED.isoformat(), **customer} for customer in customers]
    return RecordCustomers.model_validate({"store_id": store.store_id, "customers": dated})


def _subscription(key: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": key,
        "customer_id": 7,
        "sku": "A",
        "quantity": "2",
        "price": "9.50",
        "frequency": "1m",
        "start_date": "2024-01-31",
        "next_transaction_date": "2024-02-29",
        **fields,
    }


def _subscriptions(store: Store, *subscriptions: dict[str, Any]) -> RecordSubscriptions:
    return RecordSubscriptions.model_validate(
        {"store_id": store.store_id, "subscriptions": subscriptions}
    )


def _counts(recorded: Recorded) -> tuple[int, int, int]:
    return recorded.inserted, recorded.replaced, recorded.duplicates


async def _rows(database: Database, store: Store, table: str) -> list[dict[str, Any]]:
    assert table in ("customers", "subscriptions")
    async with database.acquire() as connection:
        rows = await connection.fetch(
            f"SELECT * FROM {table} WHERE store_id = $1 ORDER BY 2",  # noqa: S608
            store.store_id,
        )
    return [dict(row) for row in rows]


async def test_customers_are_inserted_replaced_and_left(database: Database, store: Store) -> None:
    address = {"city": "Leeds", "country": "GB", "phone": "+44"}
    first = {"id": 1, "email": "a@example.com", "default_shipping_address": address}
    second = {"id": "2", "tax_id": "x", "default_billing_address": address}
    assert _counts(await record_customers(database, _customers(store, first, second))) == (2, 0, 0)
    changed = {**second, "default_billing_address": {**address, "city": "York"}}
    third = {"id": 3, "is_anonymous": True, "date_modified": "2024-05-01T00:00:00Z"}
    again = _customers(store, third, changed, first)
    assert _counts(await record_customers(database, again)) == (1, 1, 1)
    rows = await _rows(database, store, "customers")
    assert [row["customer_id"] for row in rows] == ["1", "2", "3"]
    assert (rows[0]["email"], rows[0]["shipping_city"], rows[0]["billing_city"]) == (
        "a@example.com",
        "Leeds",
        "",
    )
    assert (rows[1]["billing_city"], rows[1]["billing_phone"]) == ("York", "+44")
    assert rows[0]["date_modified"] == rows[0]["date_created"] == CREATED
    assert rows[2]["date_modified"] == datetime(2024, 5, 1, tzinfo=UTC)


async def test_of_a_customer_twice_in_a_batch_the_last_wins(
    database: Database, store: Store
) -> None:
    batch = _customers(store, {"id": 1, "email": "old"}, {"id": 2}, {"id": 1, "email": "new"})
    assert _counts(await record_customers(database, batch)) == (2, 1, 0)
    assert [row["email"] for row in await _rows(database, store, "customers")] == ["new", ""]


async def test_customers_written_at_once(
    database: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ATTEMPTS_MAX", 1)

    async def send(number: int) -> tuple[int, int, int]:
        ids = [(number * 7 + n * 3) % 20 for n in range(10)]
        customers = [{"id": f"c{n}", "email": str(number)} for n in ids]
        return _counts(await record_customers(database, _customers(store, *customers)))

    results = await asyncio.gather(*(send(number) for number in range(20)))
    assert sum(inserted for inserted, _, _ in results) == 20
    assert all(sum(counts) == 10 for counts in results)
    assert len(await _rows(database, store, "customers")) == 20


async def test_subscriptions_are_inserted_replaced_and_left(
    database: Database, store: Store
) -> None:
    first = _subscriptions(store, _subscription("a"), _subscription("b", currency="EUR"))
    assert _counts(await record_subscriptions(database, first)) == (2, 0, 0)
    second = _subscriptions(
        store,
        _subscription("a", price="9.5000", currency="GBP"),
        _subscription("b", currency="EUR", end_date="2024-12-31", is_active=False),
        _subscription("c", name="old"),
        _subscription("c", name="new"),
    )
    assert _counts(await record_subscriptions(database, second)) == (1, 2, 1)
    a, b, c = await _rows(database, store, "subscriptions")
    assert (a["currency"], a["price"], a["customer_id"]) == ("GBP", Decimal("9.50"), "7")
    assert (b["currency"], b["end_date"], b["is_active"]) == ("EUR", date(2024, 12, 31), False)
    assert c["name"] == "new"
    assert a["recorded_at"] < b["recorded_at"]


async def test_a_store_that_does_not_exist(database: Database, store: Store) -> None:
    customers = _customers(store, {"id": 1}).model_copy(update={"store_id": 2**62})
    with pytest.raises(NotFoundError, match=r"^Invalid store_id$"):
        await record_customers(database, customers)
    subscriptions = _subscriptions(store, _subscription("a"))
    with pytest.raises(NotFoundError, match=r"^Invalid store_id$"):
        await record_subscriptions(database, subscriptions.model_copy(update={"store_id": 2**62}))
