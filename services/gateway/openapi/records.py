"""What ledgers and reports are made of: items, customers, transactions, subscriptions.

Comes in: `shared.contracts.recording`. Goes out: the calls that take records of any number, as a
JSON array, as NDJSON or as CSV with a header.
"""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel
from typing_extensions import TypedDict

from services.gateway import record_stream
from services.gateway.openapi import parameters
from services.gateway.openapi.operation import Answer, Content, Operation
from services.gateway.openapi.refusals import JSON, Count
from shared.contracts.message import Key
from shared.contracts.recording import Customer, Item, Subscription, Transaction

TAG = "records"
_DESCRIPTION = (
    "Answers when all of it is committed. The body can be of any size and is never held whole; it "
    "is written in batches, each whole or not at all. What was committed before a bad batch stays, "
    "and the refusal says how much: sending all of it again changes nothing."
)
_ITEM = {
    "unique_key": "invoice-1-1",
    "description": "Shipping",
    "amount": "12.30",
    "originated_at": "2024-01-15T12:00:00Z",
}
_CUSTOMER = {"id": "1", "email": "ada@example.com", "date_created": "2024-01-15T12:00:00Z"}
_TRANSACTION = {
    "id": "1",
    "customer_id": "1",
    "transaction_date": "2024-01-15T12:00:00Z",
    "items": [{"sku": "cup", "quantity": 2, "price": "9.95"}],
}
_SUBSCRIPTION = {
    "id": "1",
    "customer_id": "1",
    "sku": "cup",
    "quantity": 1,
    "price": "9.95",
    "frequency": "1m",
    "start_date": "2024-01-15",
    "next_transaction_date": "2024-02-15",
}
# A header and two rows; a column that is no field of an item is a label of its `meta`.
_ROWS = (
    "unique_key,amount,originated_at\r\n"
    "invoice-2-1,1,2024-01-15T12:00:00Z\r\n"
    "invoice-2-2,-0.50,2024-01-16T12:00:00Z\r\n"
)


class Recorded(TypedDict):
    """What was done. A record that is there already with the same content is a duplicate."""

    inserted: Count
    duplicates: Count


class Replaced(Recorded):
    """What was done. A record with the same id and other content is replaced."""

    replaced: Count


class Voiding(TypedDict):
    """The item to take back."""

    unique_key: Key


def _stream(
    path: str, name: str, summary: str, record: type[BaseModel], example: dict[str, Any],
    *, done: Content, given: tuple[dict[str, Any], ...], refusals: tuple[int, ...],
) -> Operation:  # fmt: skip
    lines = orjson.dumps(example).decode() + "\n"
    body = [Content(JSON, list[record], {"one": [example]})]  # type: ignore[valid-type]
    body += [Content(media_type, bytes, {"one": lines}) for media_type in record_stream.NDJSON]
    body.append(Content(record_stream.CSV, bytes, {"rows": _ROWS} if record is Item else {}))
    return Operation(
        method="POST",
        path=path,
        name=name,
        tag=TAG,
        summary=summary,
        description=_DESCRIPTION,
        parameters=given,
        body=tuple(body),
        answers=(Answer(200, "It is committed.", (done,)),),
        family="records",
        refusals=refusals,
    )


_INSERTED = Content(JSON, Recorded, {"done": {"inserted": 1, "duplicates": 0}})
_REPLACED = Content(JSON, Replaced, {"done": {"inserted": 1, "replaced": 0, "duplicates": 0}})
_OF_REGISTER = (parameters.path_id("The register's id."), *parameters.OF_STORE)
_OF_BODIES = (400, 404, 408, 409, 413, 415, 422, 504)


def _of_store(
    path: str, name: str, record: type[BaseModel], example: dict[str, Any], summary: str
) -> Operation:
    return _stream(
        path, name, summary, record, example,
        done=_REPLACED, given=parameters.OF_STORE, refusals=_OF_BODIES,
    )  # fmt: skip


OPERATIONS = (
    _stream(
        "/registers/{id}/items", "recordItems", "Append items to a register.", Item, _ITEM,
        done=_INSERTED, given=_OF_REGISTER, refusals=_OF_BODIES,
    ),
    Operation(
        method="POST",
        path="/registers/{id}/items/void",
        name="voidItem",
        tag=TAG,
        summary="Take an item back: add its reverse, with ` - VOID` behind key and description.",
        parameters=_OF_REGISTER,
        body=(Content(JSON, Voiding, {"one": {"unique_key": "invoice-1-1"}}),),
        answers=(Answer(200, "The reverse is committed.", (_INSERTED,)),),
        refusals=(400, 404, 408, 409, 413, 422, 504),
    ),
    _of_store("/customers", "recordCustomers", Customer, _CUSTOMER,
              "Insert or replace customers, by id."),
    _of_store("/transactions", "recordTransactions", Transaction, _TRANSACTION,
              "Insert or replace transactions, by id, and post their lines to the sales register."),
    _of_store("/subscriptions", "recordSubscriptions", Subscription, _SUBSCRIPTION,
              "Insert or replace subscriptions, by id."),
)  # fmt: skip
