"""Registers with items in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from services.aggregator.aggregate import Aggregator
from services.aggregator.sessions import open_sessions
from services.aggregator.settings import AggregatorSettings
from shared.database.accounts import Store
from shared.database.pool import Database
from shared.database.replica import ReadSources
from shared.settings import DatabaseSettings
from tests.integration.aggregator.register_under_test import (
    MakeRegister,
    Register,
    Row,
    add_items,
)
from tests.roles import as_role


@pytest.fixture(scope="session")
async def sessions(database_settings: DatabaseSettings) -> AsyncIterator[ReadSources]:
    """Connections as the service has them."""
    own = as_role(database_settings, "aggregator")
    async with open_sessions(own, AggregatorSettings(), name="sessions") as opened:
        yield ReadSources(opened)


@pytest.fixture(scope="session")
def aggregator(sessions: ReadSources) -> Aggregator:
    # Room for the random questions: what is over the limits is asked elsewhere.
    return Aggregator(sessions, AggregatorSettings(rows_max=1_000_000, body_bytes_max=100_000_000))


@pytest.fixture
def make_register(database: Database, store: Store, aggregator: Aggregator) -> MakeRegister:
    """Create a register of the store with these labels and rows."""

    async def make(labels: Sequence[str] = (), rows: Sequence[Row] = ()) -> Register:
        meta = {f"meta{position}": label for position, label in enumerate(labels)}
        async with database.acquire() as connection:
            register_id = await connection.fetchval(
                "INSERT INTO registers (store_id, name, meta) VALUES ($1, 'Test', $2) "
                "RETURNING register_id",
                store.store_id,
                meta,
            )
            register = Register(store.store_id, register_id, aggregator)
            await add_items(database, register, rows)
        return register

    return make
