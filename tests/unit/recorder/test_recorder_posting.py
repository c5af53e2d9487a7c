"""What a transaction amounts to, against sums that are written out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.recorder.posting import content_of, lines_of, payment_method_of, totals_of
from shared.contracts.recording import Transaction
from shared.errors import InvalidArgumentError

NOW = datetime(2024, 2, 29, 12, tzinfo=UTC)


def _transaction(**fields: Any) -> Transaction:
    return Transaction.model_validate({"id": "t1", "transaction_date": NOW, **fields})


def _amounts(transaction: Transaction, digits: int = 2) -> list[tuple[str, str]]:
    content = content_of(transaction, currency="GBP", digits=digits)
    return [(line.kind, str(line.amount)) for line in lines_of(content)]


SALE = {
    "items": [
        {"sku": "A", "name": "Apple", "quantity": 3, "price": "1.25"},
        {"sku": "B", "quantity": 1, "price": 10, "amount": "9.99"},
    ],
    "discounts": [{"code": "WELCOME", "amount": "2.50"}],
    "payments": [
        {"method": "voucher", "amount": "1.00"},
        {"method": "card", "amount": "14.04"},
    ],
    "tax": "2.20",
    "shipping": "1.60",
}


def test_a_sale() -> None:
    transaction = _transaction(**SALE)
    assert _amounts(transaction) == [
        ("item", "3.75"),
        ("item", "9.99"),
        ("discount", "-2.50"),
        ("tax", "2.20"),
        ("shipping", "1.60"),
    ]
    content = content_of(transaction, currency="GBP", digits=2)
    assert [str(total) for total in totals_of(content)] == [
        "13.74",
        "2.50",
        "2.20",
        "1.60",
        "15.04",
    ]
    assert [line.description for line in lines_of(content)] == [
        "Apple",
        "B",
        "WELCOME",
        "Tax",
        "Shipping",
    ]
    assert content.payments[0].paid_at == NOW
    assert payment_method_of(content) == "card"


def test_a_refund_keeps_the_signs_it_was_given() -> None:
    transaction = _transaction(
        type="refund",
        items=[{"sku": "A", "quantity": -1, "price": "10.00"}],
        discounts=[{"code": "WELCOME", "amount": "-1.50"}],
        tax="-1.70",
    )
    assert _amounts(transaction) == [("item", "-10.00"), ("discount", "1.50"), ("tax", "-1.70")]
    assert totals_of(content_of(transaction, currency="GBP", digits=2)).order == Decimal("-10.20")


@pytest.mark.parametrize(
    ("quantity", "price", "digits", "amount"),
    [
        ("1", "0.125", 2, "0.12"),  # half to even, down
        ("1", "0.135", 2, "0.14"),  # half to even, up
        ("-1", "0.125", 2, "-0.12"),
        ("3", "0.5", 0, "2"),
        ("5", "0.5", 0, "2"),
        ("0.333", "1.0005", 3, "0.333"),
    ],
)
def test_amounts_are_rounded_half_even(quantity: str, price: str, digits: int, amount: str) -> None:
    items = [{"sku": "A", "quantity": quantity, "price": price}]
    assert _amounts(_transaction(items=items), digits) == [("item", amount)]


def test_long_products_are_exact() -> None:
    """More digits than Decimal's own context of 28 keeps; the second way is whole numbers."""
    quantity, price = "12345678901234567", "9876543210987654.321"
    items = [{"sku": "A", "quantity": quantity, "price": price}]
    exact = _half_even_hundredths(int(quantity) * int(price.replace(".", "")))
    assert _amounts(_transaction(items=items)) == [("item", exact)]


def _half_even_hundredths(thousandths: int) -> str:
    hundredths, rest = divmod(thousandths, 10)
    hundredths += rest > 5 or (rest == 5 and hundredths % 2 == 1)
    return f"{hundredths // 100}.{hundredths % 100:02d}"


@pytest.mark.parametrize(
    "fields", [{"is_test": True}, {"status": "voided"}, {"status": "cancelled"}]
)
def test_what_does_not_count_is_not_posted(fields: dict[str, Any]) -> None:
    transaction = _transaction(**SALE, **fields)
    assert _amounts(transaction) == []
    assert totals_of(content_of(transaction, currency="GBP", digits=2)).order == Decimal("15.04")


def test_equal_numbers_are_equal_contents() -> None:
    one = _transaction(items=[{"sku": "A", "quantity": "1.0", "price": "2"}], tax="0")
    other = _transaction(items=[{"sku": "A", "quantity": 1, "price": "2.00", "amount": 2}])
    assert content_of(one, currency="GBP", digits=2) == content_of(other, currency="GBP", digits=2)


def test_an_amount_has_no_more_digits_than_the_contract_allows() -> None:
    huge = [{"sku": "A", "quantity": "9" * 30, "price": "9" * 30}]
    with pytest.raises(InvalidArgumentError, match="38 digits"):
        content_of(_transaction(items=huge), currency="GBP", digits=2)
    widest = [{"sku": "A", "quantity": 1, "price": 1, "amount": "9" * 38}] * 2
    with pytest.raises(InvalidArgumentError, match="38 digits"):
        content_of(_transaction(items=widest), currency="GBP", digits=2)
