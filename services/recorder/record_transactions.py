"""`record.transactions.v1`: insert or replace transactions by id, and post their lines.

Comes in: `RecordTransactions`. Goes out: `Recorded`, after the commit. In the same database
transaction the lines are appended to the store's sales register; replacing a transaction appends
the reverses of the lines that its last revision posted, and then the new ones. So the lines of a
transaction in that ledger always add up to its total_order, or to nothing if it is not posted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.recorder import ledger, transaction_rows
from services.recorder.ledger import Row
from services.recorder.posting import Content, content_of, lines_of, payment_method_of
from services.recorder.writing import write
from shared.contracts.failures import FailureDetail
from shared.contracts.recording import Recorded, RecordTransactions, Transaction
from shared.database import accounts, registers
from shared.database.accounts import Store
from shared.database.pool import Connection, Database
from shared.errors import InvalidArgumentError, NotFoundError

FIRST_REVISION = 1


async def record_transactions(database: Database, message: RecordTransactions) -> Recorded:
    """Raises `NotFoundError` for an unknown store, and `InvalidArgumentError` for an id that is
    there twice: which of two amounts is meant is not ours to guess."""

    async def work(connection: Connection) -> Recorded:
        store = await accounts.find_store(connection, message.store_id)
        if store is None:
            raise NotFoundError("Invalid store_id")
        contents = contents_of(message.transactions, store)
        return await write_transactions(connection, store, contents, message.traceparent)

    return await write(database, work)


def contents_of(transactions: Sequence[Transaction], store: Store) -> dict[str, Content]:
    """By id, with defaults filled in. Raises `InvalidArgumentError` naming the index."""
    contents: dict[str, Content] = {}
    for index, transaction in enumerate(transactions):
        if transaction.id in contents:
            raise _invalid(index, "id", f"{transaction.id!r} is there twice in one batch")
        try:
            contents[transaction.id] = content_of(
                transaction, currency=store.currency, digits=store.currency_digits
            )
        except InvalidArgumentError as error:
            raise _invalid(index, "items", error.message) from error
    return contents


def _invalid(index: int, field: str, reason: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"transaction {index}: {field} {reason}",
        details=(FailureDetail(index=index, field=field, reason=reason),),
    )


async def write_transactions(
    connection: Connection, store: Store, contents: dict[str, Content], traceparent: str | None
) -> Recorded:
    """Insert, replace and post, in the caller's transaction."""
    store_id = store.store_id
    register = await registers.ensure_sales_register(connection, store_id, units=store.currency)
    new = await transaction_rows.insert_new(connection, store_id, [*contents.values()])
    stored = {}
    if len(new) < len(contents):
        stored = await transaction_rows.lock(connection, store_id, [*(contents.keys() - new)])
    replaced = {key: old for key, old in stored.items() if old.content != contents[key]}
    await ledger.prepare(connection)
    reversed_lines = 0
    if replaced:
        await transaction_rows.replace(connection, store_id, [*replaced])
        posted = [
            line_key(key, old.revision, number)
            for key, old in replaced.items()
            for number in range(1, old.posted_lines + 1)
        ]
        reversed_lines = await ledger.take_reversals(
            connection, store_id, register.register_id, posted
        )
        if reversed_lines != len(posted):
            raise RuntimeError(f"the sales register of store {store_id} lacks posted lines")
    written = [content for key, content in contents.items() if key in new or key in replaced]
    await transaction_rows.insert_parts(connection, store_id, written)
    rows = [
        row
        for content in written
        for row in rows_of(content, revision=_revision(replaced.get(content.transaction_id)))
    ]
    await ledger.fill(connection, rows, tuple(registers.SALES_META))
    if await ledger.append(connection, store_id, register.register_id) is not None:
        raise RuntimeError(f"the sales register of store {store_id} has lines posted by nobody")
    await ledger.announce(
        connection,
        store_id,
        register.register_id,
        inserted=reversed_lines + len(rows),
        traceparent=traceparent,
    )
    return Recorded(
        inserted=len(new),
        replaced=len(replaced),
        duplicates=len(contents) - len(new) - len(replaced),
    )


def _revision(old: transaction_rows.Stored | None) -> int:
    return FIRST_REVISION if old is None else old.revision + 1


def line_key(transaction_id: str, revision: int, number: int) -> str:
    """The unique_key of a posted line. Read from the right it is unambiguous, whatever the id."""
    return f"{transaction_id}/{revision}/{number}"


def rows_of(content: Content, *, revision: int) -> Iterable[Row]:
    """The lines of a transaction, in the columns of `SALES_META`."""
    method = payment_method_of(content)
    for number, line in enumerate(lines_of(content), start=1):
        yield (
            0,
            number,
            line_key(content.transaction_id, revision, number),
            str(line.amount),
            content.transaction_date,
            line.description,
            content.currency,
            content.transaction_id,
            content.customer_id,
            line.sku,
            line.kind,
            content.country or None,
            content.currency,
            line.category,
            content.type,
            method,
            line.coupon,
        )
