"""What a transaction amounts to, and the lines that it posts to the sales register.

Comes in: a `Transaction` and its store's currency. Goes out: `Content` (what is kept of it and
compared), `Totals` and `Line`s. Pure: no clock, no database.

    total_order = items - discounts + tax + shipping

with all signs as given: a refund carries negative items, and a discount that it takes back is
negative too. The lines of a transaction add up to total_order exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from shared.contracts.message import AMOUNT_DIGITS_MAX
from shared.contracts.recording import Transaction, TransactionItem, TransactionStatus
from shared.errors import InvalidArgumentError

# Room for the exact product of two amounts and the exact sum of all lines of a transaction.
_EXACT = Context(prec=4 * AMOUNT_DIGITS_MAX, rounding=ROUND_HALF_EVEN)
ZERO = Decimal(0)


class ItemContent(NamedTuple):
    sku: str
    name: str
    category: str
    quantity: Decimal
    price: Decimal
    amount: Decimal
    subscription_id: str | None


class DiscountContent(NamedTuple):
    code: str
    name: str
    amount: Decimal


class PaymentContent(NamedTuple):
    method: str
    amount: Decimal
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class Content:
    """A transaction with its defaults filled in. Equal contents are the same transaction."""

    transaction_id: str
    customer_id: str | None
    transaction_date: datetime
    type: str
    status: str
    is_test: bool
    currency: str
    country: str
    tax: Decimal
    shipping: Decimal
    items: tuple[ItemContent, ...]
    discounts: tuple[DiscountContent, ...]
    payments: tuple[PaymentContent, ...]

    @property
    def is_posted(self) -> bool:
        """Whether it has lines in the sales register."""
        return self.status == TransactionStatus.COMPLETED and not self.is_test


class Totals(NamedTuple):
    items: Decimal
    discount: Decimal
    tax: Decimal
    shipping: Decimal
    order: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the sales register. `kind` is its line_type."""

    kind: str
    amount: Decimal
    description: str
    sku: str | None = None
    category: str | None = None
    coupon: str | None = None


def content_of(transaction: Transaction, *, currency: str, digits: int) -> Content:
    """Fill in the defaults: the store's currency, amounts (rounded half-even to the `digits` of
    the transaction's own currency, unless given), and the moment of payment. Raises
    `InvalidArgumentError` when a number gets longer than an amount may be."""
    content = Content(
        transaction_id=transaction.id,
        customer_id=transaction.customer_id,
        transaction_date=transaction.transaction_date,
        type=transaction.type.value,
        status=transaction.status.value,
        is_test=transaction.is_test,
        currency=transaction.currency or currency,
        country=transaction.country,
        tax=transaction.tax,
        shipping=transaction.shipping,
        items=tuple(
            ItemContent(
                item.sku,
                item.name,
                item.category,
                item.quantity,
                item.price,
                _amount(item, digits),
                item.subscription_id,
            )
            for item in transaction.items
        ),
        discounts=tuple(
            DiscountContent(discount.code, discount.name, discount.amount)
            for discount in transaction.discounts
        ),
        payments=tuple(
            PaymentContent(
                payment.method, payment.amount, payment.paid_at or transaction.transaction_date
            )
            for payment in transaction.payments
        ),
    )
    _within_digits(totals_of(content).order)
    return content


def totals_of(content: Content) -> Totals:
    items = _sum(item.amount for item in content.items)
    discount = _sum(discount.amount for discount in content.discounts)
    order = _sum((items, discount.copy_negate(), content.tax, content.shipping))
    return Totals(items, discount, content.tax, content.shipping, order)


def lines_of(content: Content) -> list[Line]:
    """Its lines, in the order of their numbers; none if it is not posted."""
    if not content.is_posted:
        return []
    lines = [
        Line("item", item.amount, item.name or item.sku, item.sku or None, item.category or None)
        for item in content.items
    ]
    lines += [
        Line(
            "discount",
            discount.amount.copy_negate(),
            discount.name or discount.code,
            coupon=discount.code or None,
        )
        for discount in content.discounts
    ]
    if content.tax:
        lines.append(Line("tax", content.tax, "Tax"))
    if content.shipping:
        lines.append(Line("shipping", content.shipping, "Shipping"))
    return lines


def payment_method_of(content: Content) -> str | None:
    """The method of the largest payment (or refund), the first of equals; None without one."""
    if not content.payments:
        return None
    return max(content.payments, key=lambda payment: abs(payment.amount)).method or None


def _amount(item: TransactionItem, digits: int) -> Decimal:
    if item.amount is not None:
        return item.amount
    product = _EXACT.multiply(item.quantity, item.price)
    return _within_digits(product.quantize(Decimal(1).scaleb(-digits), context=_EXACT))


def _sum(amounts: Iterator[Decimal] | tuple[Decimal, ...]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total


def _within_digits(value: Decimal) -> Decimal:
    # Most values are short: no need to take them apart.
    if len(str(value)) > AMOUNT_DIGITS_MAX:
        _, digits, exponent = value.normalize(_EXACT).as_tuple()
        decimals = -exponent if isinstance(exponent, int) and exponent < 0 else 0
        zeros = exponent if isinstance(exponent, int) and exponent > 0 else 0
        if max(len(digits) + zeros, decimals) > AMOUNT_DIGITS_MAX:
            raise InvalidArgumentError(f"amounts to more than {AMOUNT_DIGITS_MAX} digits")
    return value
