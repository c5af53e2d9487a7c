"""The rows of transactions and of what they consist of.

Comes in: a connection, in a transaction, and `Content`. Goes out: which ids were new, and what is
stored under the others, locked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.recorder.posting import (
    Content,
    DiscountContent,
    ItemContent,
    PaymentContent,
    lines_of,
    totals_of,
)
from services.recorder.writing import appending, planned_for_each_use
from shared.database.pool import Connection
from shared.database.queries import load_queries

_SQL = load_queries(__file__)

_COLUMNS = (
    "transaction_id",
    "customer_id",
    "transaction_date",
    "type",
    "status",
    "is_test",
    "currency",
    "country",
    "total_items",
    "total_discount",
    "total_tax",
    "total_shipping",
    "total_order",
    "posted_lines",
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A transaction as it is. Its lines in the ledger are {id}/{revision}/1 .. {posted_lines}."""

    content: Content
    revision: int
    posted_lines: int


async def insert_new(
    connection: Connection, store_id: int, contents: Sequence[Content]
) -> frozenset[str]:
    """Insert those whose ids are not there, without what they consist of; the ids."""
    await connection.execute(_SQL["prepare"])
    await connection.copy_records_to_table(
        "incoming_transactions",
        records=map(_row, contents),
        columns=_COLUMNS,
        schema_name="pg_temp",
    )
    return frozenset(row[0] for row in await connection.fetch(_SQL["insert_new"], store_id))


async def lock(connection: Connection, store_id: int, ids: Sequence[str]) -> dict[str, Stored]:
    """What is stored under these ids, held until the end of the transaction."""
    heads = await connection.fetch(_SQL["lock"], store_id, ids)
    items: defaultdict[str, list[ItemContent]] = defaultdict(list)
    for transaction_id, *values in await connection.fetch(_SQL["items"], store_id, ids):
        items[transaction_id].append(ItemContent(*values))
    discounts: defaultdict[str, list[DiscountContent]] = defaultdict(list)
    for transaction_id, *values in await connection.fetch(_SQL["discounts"], store_id, ids):
        discounts[transaction_id].append(DiscountContent(*values))
    payments: defaultdict[str, list[PaymentContent]] = defaultdict(list)
    for transaction_id, *values in await connection.fetch(_SQL["payments"], store_id, ids):
        payments[transaction_id].append(PaymentContent(*values))
    return {
        head["transaction_id"]: Stored(
            Content(
                transaction_id=head["transaction_id"],
                customer_id=head["customer_id"],
                transaction_date=head["transaction_date"],
                type=head["type"],
                status=head["status"],
                is_test=head["is_test"],
                currency=head["currency"],
                country=head["country"],
                tax=head["total_tax"],
                shipping=head["total_shipping"],
                items=tuple(items[head["transaction_id"]]),
                discounts=tuple(discounts[head["transaction_id"]]),
                payments=tuple(payments[head["transaction_id"]]),
            ),
            head["revision"],
            head["posted_lines"],
        )
        for head in heads
    }


async def replace(connection: Connection, store_id: int, ids: Sequence[str]) -> None:
    """Give these ids, which are locked, what `insert_new` brought, as their next revision;
    what they consisted of is gone."""
    async with planned_for_each_use(connection):
        for query in ("replace", "delete_items", "delete_discounts", "delete_payments"):
            await connection.execute(_SQL[query], store_id, ids)


async def insert_parts(connection: Connection, contents: Iterable[Content]) -> None:
    """Insert items, discounts and payments of transactions that have none, for the store that the
    transaction is for."""
    parts: dict[str, list[tuple[object, ...]]] = {"items": [], "discounts": [], "payments": []}
    for content in contents:
        for kind, rows in parts.items():
            for line, part in enumerate(getattr(content, kind), start=1):
                rows.append((content.transaction_id, line, *part))
    async with appending(connection):
        for kind, fields in (
            ("items", ItemContent._fields),
            ("discounts", DiscountContent._fields),
            ("payments", PaymentContent._fields),
        ):
            if parts[kind]:
                await connection.copy_records_to_table(
                    f"transaction_{kind}",
                    records=parts[kind],
                    columns=("transaction_id", "line", *fields),
                )


def _row(content: Content) -> tuple[object, ...]:
    totals = totals_of(content)
    return (
        content.transaction_id,
        content.customer_id,
        content.transaction_date,
        content.type,
        content.status,
        content.is_test,
        content.currency,
        content.country,
        *map(str, totals),
        len(lines_of(content)),
    )
