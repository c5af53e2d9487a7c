"""Appending to ledgers: the one place that writes `register_items`, inside a transaction.

Comes in: rows by physical column, with the batch they belong to. Goes out: how many were new, and
which contradict what is there. Nothing is ever updated or removed.

    await ledger.prepare(connection)
    await ledger.fill(connection, rows, columns)      and, or, await ledger.take_reversals(...)
    appended = await ledger.append(connection, ...)
    await ledger.announce(connection, ...)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shared.contracts.recording import ItemsRecorded
from shared.database import outbox, registers
from shared.database.pool import Connection
from shared.database.queries import load_queries

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


@dataclass(frozen=True, slots=True)
class Appended:
    """`keys`: those of the new rows, if some of the rows were known already; None if none was."""

    inserted: int
    keys: frozenset[str] | None


class Contradiction(NamedTuple):
    """A row whose key stands for something else. `ordinal` counts from 0 in its batch."""

    batch: int
    ordinal: int
    unique_key: str


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
    rows = await connection.fetch(_SQL["take_reversals"], store_id, register_id, keys, VOID_MARK)
    return len(rows)


async def append(
    connection: Connection, store_id: int, register_id: int, *, expected: int
) -> Appended:
    """Write what is new of the `expected` rows that were brought."""
    row = await connection.fetchrow(_SQL["append"], store_id, register_id, expected)
    if row is None:
        raise RuntimeError("count(*) returned nothing")
    if row["inserted"] == expected:
        return Appended(expected, None)
    return Appended(row["inserted"], frozenset(row["keys"] or ()))


async def contradictions(
    connection: Connection, store_id: int, register_id: int
) -> list[Contradiction]:
    """The first rows that contradict the ledger, after `append`. The transaction must fail, if
    there are any."""
    rows = await connection.fetch(
        _SQL["contradictions"], store_id, register_id, CONTRADICTIONS_TOLD_MAX
    )
    return [Contradiction(*row) for row in rows]


async def announce(
    connection: Connection,
    store_id: int,
    register_id: int,
    *,
    inserted: int,
    traceparent: str | None,
) -> None:
    """Move the register's version and promise the event, if anything was inserted. Last in the
    transaction: the register's row is held from here to the commit."""
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
