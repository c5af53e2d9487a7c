"""The shapes of what is recorded, for type checkers: the field names of docs/messages.md.

They are plain dicts. Amounts are `Decimal`, `int` or text, never float; moments are `datetime` with
an offset or ISO 8601 text. A test holds them to the service's own classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NotRequired, TypedDict

Amount = Decimal | int | str
Moment = datetime | str
Day = date | str
ForeignId = str | int


class NewItem(TypedDict):
    unique_key: str
    amount: Amount
    originated_at: Moment
    description: NotRequired[str]
    units: NotRequired[str | None]
    meta: NotRequired[Mapping[str, str | int | Decimal | None]]


class Address(TypedDict, total=False):
    first_name: str
    last_name: str
    company: str
    address1: str
    address2: str
    city: str
    region: str
    postal_code: str
    country: str
    phone: str


class Customer(TypedDict):
    id: ForeignId
    date_created: Moment
    email: NotRequired[str]
    first_name: NotRequired[str]
    last_name: NotRequired[str]
    tax_id: NotRequired[str]
    is_anonymous: NotRequired[bool]
    date_modified: NotRequired[Moment | None]
    default_billing_address: NotRequired[Address]
    default_shipping_address: NotRequired[Address]


class TransactionItem(TypedDict):
    sku: str
    quantity: Amount
    price: Amount
    name: NotRequired[str]
    category: NotRequired[str]
    amount: NotRequired[Amount | None]
    subscription_id: NotRequired[ForeignId | None]


class TransactionDiscount(TypedDict):
    code: str
    amount: Amount
    name: NotRequired[str]


class TransactionPayment(TypedDict):
    method: str
    amount: Amount
    paid_at: NotRequired[Moment | None]


class Transaction(TypedDict):
    id: ForeignId
    transaction_date: Moment
    customer_id: NotRequired[ForeignId | None]
    type: NotRequired[Literal["sale", "refund", "cancellation"]]
    status: NotRequired[Literal["completed", "cancelled", "voided"]]
    is_test: NotRequired[bool]
    currency: NotRequired[str | None]
    country: NotRequired[str]
    items: NotRequired[Sequence[TransactionItem]]
    discounts: NotRequired[Sequence[TransactionDiscount]]
    payments: NotRequired[Sequence[TransactionPayment]]
    tax: NotRequired[Amount]
    shipping: NotRequired[Amount]


class Subscription(TypedDict):
    id: ForeignId
    customer_id: ForeignId
    sku: str
    quantity: Amount
    price: Amount
    frequency: str
    start_date: Day
    next_transaction_date: Day
    name: NotRequired[str]
    currency: NotRequired[str | None]
    end_date: NotRequired[Day | None]
    is_active: NotRequired[bool]
