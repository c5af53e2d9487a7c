"""Recording for report tests: as producers do it, through the recorder's own use cases."""

from __future__ import annotations

from typing import Any

from services.recorder.record_customers import record_customers
from services.recorder.record_subscriptions import record_subscriptions
from services.recorder.record_transactions import record_transactions
from shared.contracts.recording import RecordCustomers, RecordSubscriptions, RecordTransactions
from shared.database import accounts
from shared.database.pool import Database
from tests.integration.report_worker.seeding import World

Raw = dict[str, Any]


async def new_store(world: World, *, timezone: str, currency: str) -> World:
    """The world, with another store."""
    async with world.database.acquire() as connection:
        store = await accounts.create_store(
            connection, name="By hand", timezone=timezone, currency=currency
        )
    return World(world.database, world.objects, store.store_id, world.user_id, world.make_builder)


async def transactions(database: Database, store_id: int, *records: Raw) -> None:
    message = {"store_id": store_id, "transactions": records}
    await record_transactions(database, RecordTransactions.model_validate(message))


async def customers(database: Database, store_id: int, *records: Raw) -> None:
    message = {"store_id": store_id, "customers": records}
    await record_customers(database, RecordCustomers.model_validate(message))


async def subscriptions(database: Database, store_id: int, *records: Raw) -> None:
    message = {"store_id": store_id, "subscriptions": records}
    await record_subscriptions(database, RecordSubscriptions.model_validate(message))
