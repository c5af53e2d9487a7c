"""Customers and transactions: inserted or replaced by id, with their lines in the sales ledger."""

from __future__ import annotations

from typing import Any

import pytest

from tests.component.conftest import Client

CUSTOMER: dict[str, Any] = {
    "id": 17850,
    "email": "ada@example.com",
    "first_name": "Ada",
    "date_created": "2010-12-01T08:26:00Z",
}


def _transaction(number: str = "536365", **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "customer_id": 17850,
        "transaction_date": "2010-12-01T08:26:00Z",
        "country": "United Kingdom",
        "items": [
            {"sku": "85123A", "name": "HOLDER", "quantity": 6, "price": "2.55"},
            {"sku": "71053", "name": "LANTERN", "quantity": 6, "price": "3.39"},
        ],
        "discounts": [{"code": "TEA", "amount": "1.50"}],
        "shipping": "4.95",
        **changes,
    }


# 6 * 2.55 + 6 * 3.39 - 1.50 + 4.95
TOTAL = 39.09


async def _sales(client: Client, measure: str = "item_sum", **more: Any) -> Any:
    registers = (await client.get("/registers"))["registers"]
    (sales,) = [register for register in registers if register["is_sales"]]
    return await client.post(
        f"/reports/{measure}",
        {
            "start_at": "2010-01-01T00:00:00Z",
            "end_at": "2012-01-01T00:00:00Z",
            "register_id": sales["id"],
            **more,
        },
    )


async def _total(client: Client, measure: str = "item_sum") -> Any:
    return (await _sales(client, measure))["count"][0]["value"]


async def test_customers_are_inserted_and_replaced(client: Client) -> None:
    assert await client.post("/customers", [CUSTOMER]) == {
        "inserted": 1,
        "replaced": 0,
        "duplicates": 0,
    }
    assert (await client.post("/customers", [CUSTOMER]))["duplicates"] == 1
    changed = {**CUSTOMER, "email": "ada@example.org"}
    assert (await client.post("/customers", [changed]))["replaced"] == 1


async def test_a_transactions_lines_are_in_the_sales_ledger(client: Client) -> None:
    await client.post("/transactions", [_transaction()])
    assert await _total(client) == TOTAL
    by_type = await _sales(client, group_by=["line_type"])
    assert {row["group"]: row["value"] for row in by_type["count"]} == {
        "discount": -1.5,
        "item": 35.64,
        "shipping": 4.95,
    }
    by_country = await _sales(client, group_by=["country"])
    assert by_country["count"] == [{"period": "All", "group": "United Kingdom", "value": TOTAL}]


async def test_the_same_transaction_again_changes_nothing(client: Client) -> None:
    await client.post("/transactions", [_transaction()])
    again = await client.post("/transactions", [_transaction()])
    assert again == {"inserted": 0, "replaced": 0, "duplicates": 1}
    assert await _total(client, "item_count") == 4


async def test_a_replaced_transaction_reverses_its_old_lines(client: Client) -> None:
    await client.post("/transactions", [_transaction()])
    replaced = await client.post("/transactions", [_transaction(shipping="0")])
    assert replaced["replaced"] == 1
    assert await _total(client) == round(TOTAL - 4.95, 2)
    # Four lines, their four reversals, and the three that stand.
    assert await _total(client, "item_count") == 11


@pytest.mark.parametrize(
    "change", [{"status": "cancelled"}, {"status": "voided"}, {"is_test": True}]
)
async def test_what_is_no_sale_any_more_is_reversed(client: Client, change: dict[str, Any]) -> None:
    await client.post("/transactions", [_transaction()])
    await client.post("/transactions", [_transaction(**change)])
    assert await _total(client) == 0


async def test_a_refund_counts_negatively(client: Client) -> None:
    refund = _transaction(
        "C1",
        type="refund",
        items=[{"sku": "71053", "quantity": -6, "price": "3.39"}],
        discounts=[],
        shipping=0,
    )
    await client.post("/transactions", [_transaction(), refund])
    assert await _total(client) == round(TOTAL - 20.34, 2)


@pytest.mark.parametrize(
    ("path", "record", "field"),
    [
        ("/customers", {"id": "x"}, "date_created"),
        ("/customers", {**CUSTOMER, "is_anonymous": "maybe"}, "is_anonymous"),
        ("/transactions", _transaction(currency="pounds"), "currency"),
        ("/transactions", _transaction(items=[{"sku": "x"}]), "items.0.quantity"),
        ("/transactions", _transaction(status="lost"), "status"),
        ("/subscriptions", {"id": 1}, "customer_id"),
    ],
)
async def test_a_bad_record_is_named(
    client: Client, path: str, record: dict[str, Any], field: str
) -> None:
    refused = await client.post(path, [record], status=422)
    assert refused["errors"][0]["index"] == 0
    assert refused["errors"][0]["field"] == field


async def test_subscriptions_are_inserted_and_replaced(client: Client) -> None:
    subscription = {
        "id": "s1",
        "customer_id": "17850",
        "sku": "TEA",
        "quantity": 1,
        "price": "9.99",
        "frequency": "1m",
        "start_date": "2010-12-01",
        "next_transaction_date": "2011-01-01",
    }
    assert (await client.post("/subscriptions", [subscription]))["inserted"] == 1
    assert (await client.post("/subscriptions", [{**subscription, "price": "8"}]))["replaced"] == 1
