"""`record.transactions.v1`: insert or replace transactions by id, and post their lines.

Comes in: `RecordTransactions`. Goes out: `Recorded`, after the commit. In the same database
transaction the lines are appended to the store's sales register; replacing a transaction appends
the reverses of the lines that its last revision posted, and then the new ones. So the lines of a
transaction in that ledger always add up to its total_order, or to nothing if it is not posted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.recorder import ledger, transaction_rows
from services.recorder.item_rows import rows_of
from services.recorder.posting import Content, Line, content_of, lines_of, payment_method_of
from services.recorder.writing import write
from shared.contracts.failures import FailureDetail
from shared.contracts.item_columns import ItemColumns
from shared.contracts.recording import Recorded, RecordTransactions, Transaction
from shared.database import accounts, registers
from shared.database.accounts import Store
from shared.database.pool import Connection, Database
from shared.database.registers import Register
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

    return await write(database, message.store_id, work)


def contents_of(transactions: Sequence[Transaction], store: Store) -> dict[str, Content]:
    """By id, with defaults filled in. Raises `InvalidArgumentError` naming the index."""
    contents: dict[str, Content] = {}
    for index, transaction in enumerate(transactions):
        if transaction.id in contents:
            raise _invalid(index, "id", f"{transaction.id!r} is there twice in one batch")
        try:
            contents[transaction.id] = content_of(
                transaction,
                currency=store.currency,
                digits=accounts.currency_digits(transaction.currency or store.currency),
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
    written = [content for key, content in contents.items() if key in new or key in replaced]
    revisions = {key: old.revision + 1 for key, old in replaced.items()}
    lines = posted_lines(written, revisions)
    if replaced:
        await transaction_rows.replace(connection, store_id, [*replaced])
    await transaction_rows.insert_parts(connection, written)
    reversed_lines = await _post(connection, register, lines, replaced)
    await ledger.announce(
        connection,
        store_id,
        register.register_id,
        inserted=reversed_lines + len(lines),
        traceparent=traceparent,
    )
    return Recorded(
        inserted=len(new),
        replaced=len(replaced),
        duplicates=len(contents) - len(new) - len(replaced),
    )


async def _post(
    connection: Connection,
    register: Register,
    lines: ItemColumns,
    replaced: Mapping[str, transaction_rows.Stored],
) -> int:
    """Append the lines, and the reverses of those that the replaced ones posted: how many."""
    locked = await registers.lock_register(connection, register.store_id, register.register_id)
    if locked is None:
        raise RuntimeError("registers are never removed")
    posted = [
        line_key(key, old.revision, number)
        for key, old in replaced.items()
        for number in range(1, old.posted_lines + 1)
    ]
    if posted:
        await ledger.prepare(connection)
        found = await ledger.take_reversals(
            connection, register.store_id, register.register_id, posted
        )
        if found != len(posted):
            raise RuntimeError(f"the sales register of store {register.store_id} lacks lines")
        if lines:
            await ledger.stage(connection, rows_of(lines, locked))
        if await ledger.append_staged(connection, locked) is not None:
            raise RuntimeError(
                f"the sales register of store {register.store_id} has lines posted by nobody"
            )
    elif lines:
        await ledger.append(connection, locked, [rows_of(lines, locked)])
    return len(posted)


def line_key(transaction_id: str, revision: int, number: int) -> str:
    """The unique_key of a posted line. Read from the right it is unambiguous, whatever the id."""
    return f"{transaction_id}/{revision}/{number}"


def posted_lines(contents: Sequence[Content], revisions: Mapping[str, int]) -> ItemColumns:
    """The lines of the transactions, for the sales register; those without a revision are new."""
    lines = [
        (content, content.transaction_date.isoformat(), payment_method_of(content), number, line)
        for content in contents
        for number, line in enumerate(lines_of(content), start=1)
    ]
    labels = tuple(registers.SALES_META.values())
    values = [_labelled(content, line, method) for content, _, method, _, line in lines]
    return ItemColumns(
        [
            line_key(
                content.transaction_id,
                revisions.get(content.transaction_id, FIRST_REVISION),
                number,
            )
            for content, _, _, number, _ in lines
        ],
        [str(line.amount) for *_, line in lines],
        [moment for _, moment, *_ in lines],
        [line.description for *_, line in lines],
        [content.currency for content, *_ in lines],
        dict(zip(labels, map(list, zip(*values, strict=True)), strict=True)) if values else {},
    )


def _labelled(content: Content, line: Line, method: str | None) -> tuple[str | None, ...]:
    """In the order of `SALES_META`."""
    return (
        content.transaction_id,
        content.customer_id,
        line.sku,
        line.kind,
        content.country,
        content.currency,
        line.category,
        content.type,
        method,
        line.coupon,
    )
