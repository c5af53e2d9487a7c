"""`record.subscriptions.v1`: insert or replace subscriptions by id, all or none.

Comes in: `RecordSubscriptions`. Goes out: `Recorded`, after the commit. An id that is there twice
in a batch: the last one wins, as if they had come one after the other.
"""

from __future__ import annotations

from services.recorder.writing import write
from shared.contracts.recording import Recorded, RecordSubscriptions, Subscription
from shared.database import accounts
from shared.database.pool import Connection, Database
from shared.database.queries import load_queries
from shared.errors import NotFoundError

_SQL = load_queries(__file__)

_COLUMNS = (
    "store_id",
    "subscription_id",
    "customer_id",
    "sku",
    "name",
    "quantity",
    "price",
    "currency",
    "frequency",
    "start_date",
    "next_transaction_date",
    "end_date",
    "is_active",
)


async def record_subscriptions(database: Database, message: RecordSubscriptions) -> Recorded:
    """Raises `NotFoundError` for an unknown store."""
    latest = {subscription.id: subscription for subscription in message.subscriptions}

    async def work(connection: Connection) -> Recorded:
        store = await accounts.find_store(connection, message.store_id)
        if store is None:
            raise NotFoundError("Invalid store_id")
        await connection.execute(_SQL["prepare"])
        await connection.copy_records_to_table(
            "incoming_subscriptions",
            records=[_row(store, subscription) for subscription in latest.values()],
            columns=_COLUMNS,
            schema_name="pg_temp",
        )
        row = await connection.fetchrow(_SQL["upsert"])
        if row is None:
            raise RuntimeError("count(*) returned nothing")
        superseded = len(message.subscriptions) - len(latest)
        return Recorded(
            inserted=row["inserted"],
            replaced=row["replaced"] + superseded,
            duplicates=len(latest) - row["inserted"] - row["replaced"],
        )

    return await write(database, message.store_id, work)


def _row(store: accounts.Store, subscription: Subscription) -> tuple[object, ...]:
    return (
        store.store_id,
        subscription.id,
        subscription.customer_id,
        subscription.sku,
        subscription.name,
        subscription.quantity,
        subscription.price,
        subscription.currency or store.currency,
        subscription.frequency,
        subscription.start_date,
        subscription.next_transaction_date,
        subscription.end_date,
        subscription.is_active,
    )
