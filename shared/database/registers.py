"""The rows of registers: which ledgers a store has, and what their meta columns are called.

Comes in: a connection (in the caller's transaction) and values. Goes out: `Register`, a frozen
picture of a row, or None where there is none. The gateway reads; only the recorder writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from shared.contracts.recording import META_COLUMNS
from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError

_SQL = load_queries(__file__)

SALES_NAME = "Sales"
# What each line of a store's sales register says about itself. Only item lines have a sku and a
# category, only discount lines a coupon; `payment_method` is that of the transaction's largest
# payment, on all of its lines.
SALES_META: Mapping[str, str] = {
    "meta0": "transaction_id",
    "meta1": "customer_id",
    "meta2": "sku",
    "meta3": "line_type",
    "meta4": "country",
    "meta5": "currency",
    "meta6": "category",
    "meta7": "transaction_type",
    "meta8": "payment_method",
    "meta9": "coupon",
}


@dataclass(frozen=True, slots=True)
class Register:
    """A row of `registers`. `meta` maps physical columns to labels, in column order; `version`
    moves with every change of the register or of its items."""

    store_id: int
    register_id: int
    name: str
    units: str
    meta: dict[str, str]
    version: int
    is_sales: bool
    created_at: datetime
    updated_at: datetime


def _register(row: asyncpg.Record | None) -> Register | None:
    return Register(**row) if row is not None else None


def _written(row: asyncpg.Record | None) -> Register:
    if row is None:
        raise RuntimeError("the statement returned no register")
    return Register(**row)


async def find_register(connection: Connection, store_id: int, register_id: int) -> Register | None:
    """The store's register, or None: unknown, or another store's."""
    return _register(await connection.fetchrow(_SQL["find_register"], store_id, register_id))


async def lock_register(connection: Connection, store_id: int, register_id: int) -> Register | None:
    """The same, and nobody else writes to it or changes it until the commit. What is written now
    bears its next version, `version + 1`."""
    return _register(await connection.fetchrow(_SQL["lock_register"], store_id, register_id))


async def find_sales_register(connection: Connection, store_id: int) -> Register | None:
    """The ledger that the store's transactions are posted to; None before the first of them."""
    return _register(await connection.fetchrow(_SQL["find_sales_register"], store_id))


async def store_of_register(connection: Connection, register_id: int) -> int | None:
    """Whose register this is. Only for callers who may read every store."""
    store_id: int | None = await connection.fetchval(_SQL["store_of_register"], register_id)
    return store_id


async def list_registers(
    connection: Connection, store_id: int, *, limit: int, offset: int = 0
) -> list[Register]:
    """One page of the store's registers, oldest first."""
    rows = await connection.fetch(_SQL["list_registers"], store_id, limit, offset)
    return [Register(**row) for row in rows]


async def count_registers(connection: Connection, store_id: int) -> int:
    return int(await connection.fetchval(_SQL["count_registers"], store_id))


async def insert_register(
    connection: Connection,
    store_id: int,
    *,
    name: str,
    units: str = "",
    meta: Mapping[str, str] | None = None,
) -> Register:
    """Create an empty register. Raises `NotFoundError` for a store that does not exist."""
    labels = _in_order(meta or {})
    try:
        row = await connection.fetchrow(_SQL["insert_register"], store_id, name, units, labels)
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFoundError("Invalid store_id") from error
    return _written(row)


async def find_unwritten_twin(
    connection: Connection, store_id: int, *, name: str, units: str, meta: Mapping[str, str]
) -> Register | None:
    """The same register, made within the hour and not used yet (for redelivered messages)."""
    return _register(
        await connection.fetchrow(_SQL["find_unwritten_twin"], store_id, name, units, dict(meta))
    )


async def ensure_sales_register(connection: Connection, store_id: int, *, units: str) -> Register:
    """The store's sales register, created on first use. The store must exist."""
    register = await find_sales_register(connection, store_id)
    if register is None:
        await connection.execute(
            _SQL["insert_sales_register"], store_id, SALES_NAME, units, dict(SALES_META)
        )
        register = await find_sales_register(connection, store_id)
    if register is None:
        raise RuntimeError("the sales register is neither new nor old")
    return register


async def update_register(
    connection: Connection,
    store_id: int,
    register_id: int,
    *,
    name: str | None = None,
    units: str | None = None,
    labels: Mapping[str, str] | Sequence[str] | None = None,
) -> Register:
    """Rename it, or add labels: a map names their columns, a list takes the free ones in order.

    `units` is for items to come. Raises `NotFoundError`; `ConflictError` for a label in use that
    would be renamed or moved; `InvalidArgumentError` for more labels than columns.
    """
    now = await lock_register(connection, store_id, register_id)
    if now is None:
        raise NotFoundError("Invalid register_id")
    wanted = (
        now.name if name is None else name,
        now.units if units is None else units,
        extended_labels(now.meta, labels or {}),
    )
    if wanted == (now.name, now.units, now.meta):
        return now
    return _written(
        await connection.fetchrow(_SQL["update_register"], store_id, register_id, *wanted)
    )


async def bump_version(connection: Connection, store_id: int, register_id: int) -> int:
    """Tell readers that the register's items have changed."""
    return int(await connection.fetchval(_SQL["bump_version"], store_id, register_id))


def extended_labels(
    current: Mapping[str, str], added: Mapping[str, str] | Sequence[str]
) -> dict[str, str]:
    """The labels by column after adding some. Those in use stay exactly where they are."""
    columns = {label: column for column, label in current.items()}
    if not isinstance(added, Mapping):
        new = [label for label in dict.fromkeys(added) if label not in columns]
        free = [column for column in META_COLUMNS if column not in current]
        if len(new) > len(free):
            raise InvalidArgumentError(
                f"meta: {new[len(free)]!r} does not fit, a register has at most "
                f"{len(META_COLUMNS)} labels"
            )
        return _in_order({**current, **dict(zip(free, new, strict=False))})
    for column, label in added.items():
        if column not in META_COLUMNS:
            raise InvalidArgumentError(f"meta: {column!r} is not a column")
        if current.get(column, label) != label:
            raise ConflictError(
                f"meta: {current[column]!r} is in use in {column} and cannot become {label!r}"
            )
        if columns.get(label, column) != column:
            raise ConflictError(
                f"meta: {label!r} is in use in {columns[label]} and cannot be moved to {column}"
            )
        columns[label] = column
    return _in_order({**current, **added})


def _in_order(meta: Mapping[str, str]) -> dict[str, str]:
    return {column: meta[column] for column in META_COLUMNS if column in meta}
