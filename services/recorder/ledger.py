"""Appending to ledgers: the one place that writes `register_items`, inside a transaction.

Comes in: rows of items, in batches. Goes out: how many of each were new, or a `ConflictError`.
Nothing is ever updated or removed.

    register = await registers.lock_register(connection, ...)
    await ledger.append(connection, register, batches)      or new = await ledger.append_new(...)
    await ledger.announce(connection, ...)

What is read from the ledger itself waits in a table of the session first:

    await ledger.prepare(connection)
    await ledger.take_reversals(connection, ...)      and, or, await ledger.stage(...)
    new = await ledger.append_staged(connection, register)

The register is locked before the first row and to the commit: its items bear the version that it
will have then, by which rollups know what they lack, and no two writers of it meet anywhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence

import asyncpg

from services.recorder.item_rows import ItemRows
from services.recorder.writing import appending, planned_for_each_use
from shared.contracts.failures import FailureDetail
from shared.contracts.recording import ItemsRecorded
from shared.database import outbox, registers
from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.database.registers import Register
from shared.errors import ConflictError

_SQL = load_queries(__file__)

VOID_MARK = " - VOID"
CONTRADICTIONS_TOLD_MAX = 20


async def append(connection: Connection, register: Register, batches: Sequence[ItemRows]) -> None:
    """Write the batches, all of which must be new, as nearly always they are: straight into the
    ledger, which costs half of what it costs by way of another table.

    Raises `asyncpg.UniqueViolationError` at the first key that is known or comes twice; then the
    transaction has failed, and another one can `append_new`.
    """
    before = f"{register.register_id}\t{register.version + 1}"

    async def text() -> AsyncIterator[bytes]:
        for batch in batches:
            for rows in batch.text(before):
                yield rows

    async with appending(connection):
        await connection.copy_to_table(
            "register_items",
            source=text(),
            columns=("register_id", "version", *batches[0].columns),
            format="text",
        )


async def append_new(
    connection: Connection, register: Register, batches: Sequence[ItemRows]
) -> Counter[int]:
    """Write what is new of the batches: how many by batch.

    Raises `ConflictError` naming the first rows whose key stands for something else, there or in
    an earlier row; the transaction must fail then, for the others are written.
    """
    await prepare(connection)
    for number, batch in enumerate(batches):
        await stage(connection, batch, number=number)
    return await _append_new(connection, register)


async def prepare(connection: Connection) -> None:
    """Make room for rows, in this transaction."""
    await connection.execute(_SQL["prepare"])


async def stage(connection: Connection, rows: ItemRows, *, number: int = 0) -> None:
    """Bring a batch to the database; nothing is in a ledger yet."""

    async def text() -> AsyncIterator[bytes]:
        yield rows.numbered_text(str(number))

    await connection.copy_to_table(
        "incoming_items",
        source=text(),
        columns=("batch", "ordinal", *rows.columns),
        schema_name="pg_temp",
        format="text",
    )


async def take_reversals(
    connection: Connection, store_id: int, register_id: int, keys: Sequence[str]
) -> int:
    """Bring the reverses of what stands under these keys; how many of the keys there are."""
    async with planned_for_each_use(connection):
        rows = await connection.fetch(
            _SQL["take_reversals"], store_id, register_id, keys, VOID_MARK
        )
    return len(rows)


async def append_staged(connection: Connection, register: Register) -> Counter[int] | None:
    """Write what is new of what was brought: how many by batch, or None for all of it. Raises
    `ConflictError` as `append_new` does."""
    try:
        async with connection.transaction():
            await connection.execute(_SQL["append_all"], *_place(register))
    except asyncpg.UniqueViolationError:
        return await _append_new(connection, register)
    return None


async def _append_new(connection: Connection, register: Register) -> Counter[int]:
    inserted = await connection.fetch(_SQL["append_new"], *_place(register))
    await _require_no_contradiction(connection, register.store_id, register.register_id)
    async with planned_for_each_use(connection):
        await connection.execute(_SQL["mark_known"], [row[0] for row in inserted])
    counts = await connection.fetch(_SQL["count_new"])
    return Counter({row["batch"]: row["inserted"] for row in counts})


def _place(register: Register) -> tuple[int, int, int]:
    return register.store_id, register.register_id, register.version + 1


async def _require_no_contradiction(
    connection: Connection, store_id: int, register_id: int
) -> None:
    async with planned_for_each_use(connection):
        found = await connection.fetch(
            _SQL["contradictions"], store_id, register_id, CONTRADICTIONS_TOLD_MAX
        )
    if found:
        reason = "the unique_key {!r} is taken by an item with other content"
        raise ConflictError(
            reason.format(found[0]["unique_key"]),
            details=tuple(
                FailureDetail(
                    index=row["ordinal"],
                    field="unique_key",
                    reason=reason.format(row["unique_key"]),
                )
                for row in found
                if row["batch"] == found[0]["batch"]
            ),
        )


async def announce(
    connection: Connection,
    store_id: int,
    register_id: int,
    *,
    inserted: int,
    traceparent: str | None,
) -> None:
    """Move the register's version and promise the event, if anything was inserted."""
    if inserted:
        version = await registers.bump_version(connection, store_id, register_id)
        event = ItemsRecorded(
            store_id=store_id,
            register_id=register_id,
            version=version,
            inserted=inserted,
            traceparent=traceparent,
        )
        await outbox.enqueue_event(connection, store_id, event)
