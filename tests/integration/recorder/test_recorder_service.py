"""The whole service on a real broker: messages in, replies, rows and events out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from services.recorder import app
from services.recorder.settings import RecorderServiceSettings
from shared.contracts.recording import (
    Item,
    NewRegister,
    Recorded,
    RecordItems,
    RecordTransactions,
    RegisterCreate,
    RegisterSaved,
    Transaction,
)
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.errors import ConflictError, UnavailableError
from shared.messaging.connection import Broker
from shared.messaging.rpc_client import RpcClient
from shared.settings import BrokerSettings, DatabaseSettings
from tests.waiting import until

SECONDS = 20.0


@pytest.fixture
async def client(
    broker_settings: BrokerSettings, database_settings: DatabaseSettings
) -> AsyncIterator[RpcClient]:
    """Asks a recorder that runs in this process."""
    stop = asyncio.Event()
    settings = RecorderServiceSettings(database=database_settings, broker=broker_settings)
    serving = asyncio.create_task(app.serve(settings, stop))
    async with Broker.open(broker_settings, "asker") as broker:
        client = RpcClient(broker)
        await client.start()
        yield client
        await client.stop()
    stop.set()
    await asyncio.wait_for(serving, SECONDS)


async def test_messages_are_written_answered_and_announced(
    client: RpcClient, database: Database, store: Store
) -> None:
    create = RegisterCreate(store_id=store.store_id, definition=NewRegister(name="R"))

    async def saved_register() -> RegisterSaved | None:
        with suppress(UnavailableError):  # the service is still starting: there is no queue yet
            return await client.ask(create, RegisterSaved, deadline_seconds=SECONDS)
        return None

    saved = await until(saved_register, seconds=SECONDS, what="the recorder to start")
    assert saved is not None
    item = Item(unique_key="a", amount=Decimal("0.1"), originated_at=datetime.now(UTC))
    batch = RecordItems(store_id=store.store_id, register_id=saved.register_id, items=(item,))
    assert (await client.ask(batch, Recorded, deadline_seconds=SECONDS)).inserted == 1
    again = batch.model_copy(update={"items": (item.model_copy(update={"amount": Decimal(2)}),)})
    with pytest.raises(ConflictError, match="'a'"):
        await client.ask(again, Recorded, deadline_seconds=SECONDS)
    sale = Transaction(id="t", transaction_date=datetime.now(UTC), tax=Decimal(1))
    sales = RecordTransactions(store_id=store.store_id, transactions=(sale,))
    assert (await client.ask(sales, Recorded, deadline_seconds=SECONDS)).inserted == 1

    async def outbox_is_empty() -> bool:
        async with database.acquire() as connection:
            left = await connection.fetchval(
                "SELECT count(*) FROM outbox WHERE store_id = $1", store.store_id
            )
        return bool(left == 0)

    await until(outbox_is_empty, seconds=SECONDS, what="the events to be published")
