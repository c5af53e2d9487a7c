"""`record.customers.v1`: insert or replace customers by id, all or none.

Comes in: `RecordCustomers`. Goes out: `Recorded`, after the commit. An id that is there twice in a
batch: the last one wins, as if they had come one after the other (the first counts as replaced).
"""

from __future__ import annotations

from services.recorder.writing import write
from shared.contracts.recording import Address, Customer, RecordCustomers, Recorded
from shared.database import accounts
from shared.database.pool import Connection, Database
from shared.database.queries import load_queries
from shared.errors import NotFoundError

_SQL = load_queries(__file__)

_ADDRESS = tuple(Address.model_fields)
_COLUMNS = (
    "store_id",
    "customer_id",
    "email",
    "first_name",
    "last_name",
    "tax_id",
    "is_anonymous",
    "date_created",
    "date_modified",
    *(f"billing_{field}" for field in _ADDRESS),
    *(f"shipping_{field}" for field in _ADDRESS),
)


async def record_customers(database: Database, message: RecordCustomers) -> Recorded:
    """Raises `NotFoundError` for an unknown store."""
    latest = {customer.id: customer for customer in message.customers}

    async def work(connection: Connection) -> Recorded:
        if await accounts.find_store(connection, message.store_id) is None:
            raise NotFoundError("Invalid store_id")
        await connection.execute(_SQL["prepare"])
        await connection.copy_records_to_table(
            "incoming_customers",
            records=[_row(message.store_id, customer) for customer in latest.values()],
            columns=_COLUMNS,
            schema_name="pg_temp",
        )
        row = await connection.fetchrow(_SQL["upsert"])
        if row is None:
            raise RuntimeError("count(*) returned nothing")
        superseded = len(message.customers) - len(latest)
        return Recorded(
            inserted=row["inserted"],
            replaced=row["replaced"] + superseded,
            duplicates=len(latest) - row["inserted"] - row["replaced"],
        )

    return await write(database, message.store_id, work)


def _row(store_id: int, customer: Customer) -> tuple[object, ...]:
    billing, shipping = customer.default_billing_address, customer.default_shipping_address
    return (
        store_id,
        customer.id,
        customer.email,
        customer.first_name,
        customer.last_name,
        customer.tax_id,
        customer.is_anonymous,
        customer.date_created,
        customer.date_modified or customer.date_created,
        *(getattr(billing, field) for field in _ADDRESS),
        *(getattr(shipping, field) for field in _ADDRESS),
    )
