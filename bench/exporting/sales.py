"""Transactions, for `complete`: in the product's own tables, and in the sales register what the
recorder would have posted of them.

Comes in: a connection, a store, a number. Goes out: rows, of which `complete` makes its nine files;
that its control totals agree is its own to say. What is in them depends on their number alone.
"""

from __future__ import annotations

from bench.exporting.data import DAY_SECONDS
from shared.database import registers
from shared.database.pool import Connection
from shared.database.queries import load_queries

_SQL = load_queries(__file__)
TABLES = (
    "transactions",
    "transaction_items",
    "transaction_discounts",
    "transaction_payments",
    "subscriptions",
    "register_items",
)


async def insert(connection: Connection, store_id: int, transactions: int) -> None:
    register = await registers.ensure_sales_register(connection, store_id, units="USD")
    sold = _SQL["sold"].format(transactions=transactions)
    await connection.execute(sold, timeout=DAY_SECONDS)
    for name in ("transactions", "items", "discounts", "payments", "subscriptions"):
        await connection.execute(_SQL[name], store_id, timeout=DAY_SECONDS)
    await connection.execute(
        _SQL["register_items"], store_id, register.register_id, timeout=DAY_SECONDS
    )
    await connection.execute(_SQL["forget"])
