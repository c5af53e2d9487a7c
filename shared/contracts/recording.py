"""What producers send: registers and their items, customers, transactions, subscriptions.

Money is `Decimal` all the way. A batch is written in one database transaction or not at all.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from shared.contracts.message import (
    Amount,
    Contract,
    Currency,
    ForeignId,
    Id,
    Key,
    Label,
    Message,
    MetaValue,
    Moment,
    ShortText,
    Text,
)

META_COLUMNS = tuple(f"meta{n}" for n in range(10))
BATCH_RECORDS_MAX = 10_000
LINES_MAX = 1_000


def _labels_to_map(value: object) -> object:
    """A list of labels takes the columns in order; a map names them itself."""
    if isinstance(value, list | tuple):
        if len(value) > len(META_COLUMNS):
            raise ValueError(f"at most {len(META_COLUMNS)} labels")
        return dict(zip(META_COLUMNS, value, strict=False))
    return value


MetaColumns = Annotated[
    dict[Literal[META_COLUMNS], Label],  # type: ignore[valid-type]
    BeforeValidator(_labels_to_map, json_schema_input_type=list[Label] | dict[str, Label]),
]


def _distinct_labels(meta: dict[str, str]) -> None:
    seen: set[str] = set()
    for label in meta.values():
        if label in seen:
            raise ValueError(f"meta: the label {label!r} is given twice")
        seen.add(label)


class NewRegister(Contract):
    """A ledger to be created. `meta` maps physical columns to labels, or lists the labels."""

    name: Key
    units: ShortText = ""
    meta: MetaColumns = Field(default_factory=dict)

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        _distinct_labels(self.meta)
        return self


class RegisterChange(Contract):
    """A new name, or further labels: a list takes free columns, a map names them. A label in use
    is neither removed nor renamed."""

    name: Key | None = None
    units: ShortText | None = None
    meta: tuple[Label, ...] | dict[Literal[META_COLUMNS], Label] | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        if isinstance(self.meta, dict):
            _distinct_labels(self.meta)
        return self


class RegisterCreate(Message):
    """Create a register. Reply: `RegisterSaved`."""

    kind: Literal["register.create.v1"] = "register.create.v1"
    store_id: Id
    definition: NewRegister


class RegisterUpdate(Message):
    """Rename a register or add labels. Reply: `RegisterSaved`."""

    kind: Literal["register.update.v1"] = "register.update.v1"
    store_id: Id
    register_id: Id
    change: RegisterChange


class RegisterSaved(Message):
    """The register as it is now."""

    kind: Literal["register.saved.v1"] = "register.saved.v1"
    register_id: Id


class Item(Contract):
    """One line of a ledger. `meta` is by label; `units` defaults to the register's."""

    unique_key: Key
    description: Text = ""
    amount: Amount
    units: ShortText | None = None
    originated_at: Moment
    meta: dict[Label, MetaValue | None] = Field(default_factory=dict)


class RecordItems(Message):
    """Append items to a register, all or none. Reply: `Recorded`."""

    kind: Literal["record.items.v1"] = "record.items.v1"
    store_id: Id
    register_id: Id
    items: tuple[Item, ...] = Field(min_length=1, max_length=BATCH_RECORDS_MAX)


class VoidItem(Message):
    """Add the reverse of an item, ` - VOID` behind key and description. Reply: `Recorded`."""

    kind: Literal["record.void.v1"] = "record.void.v1"
    store_id: Id
    register_id: Id
    unique_key: Key


class Recorded(Message):
    """What a batch did. It is committed: a question asked after this sees it."""

    kind: Literal["recorded.v1"] = "recorded.v1"
    inserted: int = Field(default=0, ge=0)
    replaced: int = Field(default=0, ge=0)
    duplicates: int = Field(default=0, ge=0)


class Address(Contract):
    first_name: ShortText = ""
    last_name: ShortText = ""
    company: ShortText = ""
    address1: ShortText = ""
    address2: ShortText = ""
    city: ShortText = ""
    region: ShortText = ""
    postal_code: ShortText = ""
    country: ShortText = ""
    phone: ShortText = ""


class Customer(Contract):
    """A customer of the store, by the store's own id. Sent again, it is replaced."""

    id: ForeignId
    email: ShortText = ""
    first_name: ShortText = ""
    last_name: ShortText = ""
    tax_id: ShortText = ""
    is_anonymous: bool = False
    date_created: Moment
    date_modified: Moment | None = None
    default_billing_address: Address = Field(default_factory=Address)
    default_shipping_address: Address = Field(default_factory=Address)


class RecordCustomers(Message):
    """Insert or replace customers, all or none. Reply: `Recorded`."""

    kind: Literal["record.customers.v1"] = "record.customers.v1"
    store_id: Id
    customers: tuple[Customer, ...] = Field(min_length=1, max_length=BATCH_RECORDS_MAX)


class TransactionType(StrEnum):
    """A refund or a cancellation carries negative lines and counts negatively."""

    SALE = "sale"
    REFUND = "refund"
    CANCELLATION = "cancellation"


class TransactionStatus(StrEnum):
    """Only a completed transaction has lines in the sales register."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    VOIDED = "voided"


class TransactionItem(Contract):
    """A line. `amount` defaults to quantity times price, rounded to the currency's digits."""

    sku: ShortText
    name: Text = ""
    category: ShortText = ""
    quantity: Amount
    price: Amount
    amount: Amount | None = None
    subscription_id: ForeignId | None = None


class TransactionDiscount(Contract):
    """A coupon. `amount` is what it takes off, as a positive number."""

    code: ShortText
    name: Text = ""
    amount: Amount


class TransactionPayment(Contract):
    method: ShortText
    amount: Amount
    paid_at: Moment | None = None


class Transaction(Contract):
    """A sale, refund or cancellation, by the store's own id. Sent again, it is replaced: the
    lines posted before are reversed in the sales register and the new ones posted."""

    id: ForeignId
    customer_id: ForeignId | None = None
    transaction_date: Moment
    type: TransactionType = TransactionType.SALE
    status: TransactionStatus = TransactionStatus.COMPLETED
    is_test: bool = False
    currency: Currency | None = Field(default=None, description="The store's when absent.")
    country: ShortText = ""
    items: tuple[TransactionItem, ...] = Field(default=(), max_length=LINES_MAX)
    discounts: tuple[TransactionDiscount, ...] = Field(default=(), max_length=LINES_MAX)
    payments: tuple[TransactionPayment, ...] = Field(default=(), max_length=LINES_MAX)
    tax: Amount = Decimal(0)
    shipping: Amount = Decimal(0)


class RecordTransactions(Message):
    """Insert or replace transactions and post their lines, all or none. Reply: `Recorded`."""

    kind: Literal["record.transactions.v1"] = "record.transactions.v1"
    store_id: Id
    transactions: tuple[Transaction, ...] = Field(min_length=1, max_length=BATCH_RECORDS_MAX)


class Subscription(Contract):
    """A standing order. `frequency` is a count and a unit: `30d`, `2w`, `1m`, `1y`."""

    id: ForeignId
    customer_id: ForeignId
    sku: ShortText
    name: Text = ""
    quantity: Amount
    price: Amount
    currency: Currency | None = None
    frequency: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2}[dwmy]$")]
    start_date: date
    next_transaction_date: date
    end_date: date | None = None
    is_active: bool = True


class RecordSubscriptions(Message):
    """Insert or replace subscriptions, all or none. Reply: `Recorded`."""

    kind: Literal["record.subscriptions.v1"] = "record.subscriptions.v1"
    store_id: Id
    subscriptions: tuple[Subscription, ...] = Field(min_length=1, max_length=BATCH_RECORDS_MAX)


class ItemsRecorded(Message):
    """Items were appended to a register; `version` is the register's from then on."""

    kind: Literal["items.recorded.v1"] = "items.recorded.v1"
    store_id: Id
    register_id: Id
    version: int = Field(ge=0)
    inserted: int = Field(ge=1)
