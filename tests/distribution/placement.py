"""Where each table would be on Citus, and why.

A table of many rows, all of them some store's, is distributed. What spans stores by its nature, or
is asked before a store is known, is small, and stays an ordinary table of the coordinator: Citus
holds the others, and local ones that it knows of, to rules that queues cannot keep
(docs/distribution.md).
"""

from __future__ import annotations

from enum import Enum


class Where(Enum):
    DISTRIBUTED = "distributed"
    REFERENCE = "reference"
    LOCAL = "local"


_LEDGER = "a store's ledger: grows with every sale"
_RECORDS = "a store's records, joined by exports"
_ROLLUPS = "made from the items of a store, in one transaction with them"
_QUEUE = "a queue over all stores: taken from with SKIP LOCKED, told of with NOTIFY"
_ACCOUNTS = "asked before a store is known; unique over all stores"

PLACES: dict[str, tuple[Where, str]] = {
    "registers": (Where.DISTRIBUTED, "the lock and the version of a ledger, beside its items"),
    "register_items": (Where.DISTRIBUTED, _LEDGER),
    "rollups": (Where.DISTRIBUTED, _ROLLUPS),
    "rollup_rows": (Where.DISTRIBUTED, _ROLLUPS),
    "customers": (Where.DISTRIBUTED, _RECORDS),
    "transactions": (Where.DISTRIBUTED, _RECORDS),
    "transaction_items": (Where.DISTRIBUTED, _RECORDS),
    "transaction_discounts": (Where.DISTRIBUTED, _RECORDS),
    "transaction_payments": (Where.DISTRIBUTED, _RECORDS),
    "subscriptions": (Where.DISTRIBUTED, _RECORDS),
    "stores": (Where.LOCAL, "a few rows, which accounts and queues point at"),
    "users": (Where.LOCAL, _ACCOUNTS),
    "memberships": (Where.LOCAL, _ACCOUNTS),
    "tokens": (Where.LOCAL, _ACCOUNTS),
    "reports": (Where.LOCAL, _QUEUE),
    "report_files": (Where.LOCAL, "a few rows a report, beside it"),
    "report_uploads": (Where.LOCAL, "what the janitor goes through, over all stores"),
    "idempotency_keys": (Where.LOCAL, "one transaction with the report; forgotten after a day"),
    "outbox": (Where.LOCAL, _QUEUE),
    "dead_letter_actions": (Where.LOCAL, "the operator's, of no store"),
    "alembic_version": (Where.LOCAL, "which migrations have run"),
}
WHERE = {table: where for table, (where, _) in PLACES.items()}

# Constraints that cannot stand there: each is dropped, and what it told is told otherwise.
_LOOKED_UP = "dropped: the recorder looks the store up before it writes"
DROPPED: dict[str, str] = {
    "customers.customers_store_id_fkey": _LOOKED_UP,
    "registers.registers_store_id_fkey": (
        "dropped: who makes a register for a store that is not there is told so by this key today"
    ),
    "subscriptions.subscriptions_store_id_fkey": _LOOKED_UP,
    "transactions.transactions_store_id_fkey": _LOOKED_UP,
}
