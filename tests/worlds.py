"""Fixtures that a suite with services of its own imports into its conftest: they stand in for those
of the same name above, on a database and a virtual host of the suite's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from pydantic import SecretStr

from shared.database.pool import Database
from shared.settings import BrokerSettings, DatabaseSettings
from tests.engines import EnginesUnderTest
from tests.holding import open_holding
from tests.own_world import own_world
from tests.redaction import kept


@pytest.fixture(scope="package")
async def world(
    request: pytest.FixtureRequest, engines: EnginesUnderTest
) -> AsyncIterator[EnginesUnderTest]:
    """The engines, as this suite has them for itself."""
    name = request.node.name.rpartition("/")[2].replace(".", "_") or "suite"
    async with own_world(engines, name.lower()) as own:
        yield own
        connection = await asyncpg.connect(own.database_url)
        try:
            found = await kept(connection)
        finally:
            await connection.close()
        assert not found, "a table holds what it must not:\n" + "\n".join(found)


@pytest.fixture(scope="package")
def database_settings(world: EnginesUnderTest) -> DatabaseSettings:
    return DatabaseSettings(url=SecretStr(world.database_url))


@pytest.fixture(scope="package")
def broker_settings(world: EnginesUnderTest) -> BrokerSettings:
    return BrokerSettings(url=(SecretStr(world.broker_url),))


@pytest.fixture(scope="package")
async def database(database_settings: DatabaseSettings) -> AsyncIterator[Database]:
    async with open_holding(database_settings) as opened:
        yield opened
