"""Appending to ledgers: the one place that writes `register_items`, inside a transaction.

Comes in: rows by physical column, with the batch they belong to. Goes out: how many of each were
new, or a `ConflictError`. Nothing is ever updated or removed.

    await ledger.prepare(connection)
    await ledger.fill(connection, rows, columns)      and, or, await ledger.take_reversals(...)
    new = await ledger.append(connection, ...)
    await ledger.announce(connection, ...)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import asyncpg

from services.recorder.writing import planned_for_each_use
from shared.contracts.failures import FailureDetail
from shared.contracts.recording import ItemsRecorded
from shared.database import outbox, registers
from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.errors import ConflictError

_SQL = load_queries(__file__)

VOID_MARK = " - VOID"
CONTRADICTIONS_TOLD_MAX = 20
# Of every row; the meta columns that are in use come behind them.
COLUMNS = (
    "batch",
    "ordinal",
    "unique_key",
    "amount",
    "originated_at",
    "description",
    "units",
)

# (batch, ordinal, key, amount as text, when, description, units), then the meta values.
Row = tuple[int | str | datetime | None, ...]


async def prepare(connection: Connection) -> None:
    """Make room for rows, in this transaction."""
    await connection.execute(_SQL["prepare"])


async def fill(connection: Connection, rows: Iterable[Row], meta_columns: Sequence[str]) -> None:
    """Bring rows to the database; nothing is in a ledger yet."""
    await connection.copy_records_to_table(
        "incoming_items",
        records=rows,
        columns=(*COLUMNS, *meta_columns),
        schema_name="pg_temp",
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


async def append(connection: Connection, store_id: int, register_id: int) -> Counter[int] | None:
    """Write what is new of what was brought: how many by batch, or None for all of it.

    Raises `ConflictError` naming the first rows whose key stands for something else, there or in
    an earlier row; the transaction must fail then, for the others are written.
    """
    # From here to the commit the register is held: the items bear the version that it will have
    # then, by which rollups know what they lack.
    version = await registers.next_version(connection, store_id, register_id)
    try:
        async with connection.transaction():
            await connection.execute(_SQL["append_all"], store_id, register_id, version)
    except asyncpg.UniqueViolationError:
        inserted = await connection.fetch(_SQL["append_new"], store_id, register_id, version)
    else:
        return None
    await _require_no_contradiction(connection, store_id, register_id)
    async with planned_for_each_use(connection):
        await connection.execute(_SQL["mark_known"], [row[0] for row in inserted])
    counts = await connection.fetch(_SQL["count_new"])
    return Counter({row["batch"]: row["inserted"] for row in counts})


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
