"""A database and a virtual host of one's own on the shared engines, for suites that run services:
what those relay, fold and reap is then nobody else's."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
from pydantic import SecretStr

from devstack import broker_users, database_roles
from shared.database.migrate import migrate
from shared.settings import DatabaseSettings
from tests.engines import EnginesUnderTest


@contextlib.asynccontextmanager
async def own_world(engines: EnginesUnderTest, name: str) -> AsyncIterator[EnginesUnderTest]:
    """The same engines, with a migrated database and (where the node is ours) a virtual host."""
    own = f"{name}_{uuid.uuid4().hex[:8]}"
    connection = await asyncpg.connect(engines.database_url)
    try:
        await connection.execute(f"CREATE DATABASE {own}")
    finally:
        await connection.close()
    database_url = f"{engines.database_url.rpartition('/')[0]}/{own}"
    await migrate(DatabaseSettings(url=SecretStr(database_url)))
    await database_roles.let_in(database_url)
    yield replace(
        engines,
        database_url=database_url,
        broker_url=own_virtual_host(engines, own) if engines.local else engines.broker_url,
    )


def own_virtual_host(engines: EnginesUnderTest, name: str) -> str:
    """A virtual host of this name, with all rights for the user that has made it, and for those of
    the services what deployments give them."""
    address, _, _ = engines.broker_url.rpartition("/")
    user = address.partition("//")[2].partition(":")[0]
    engines.rabbit.evaluate(
        f'All = <<".*">>, rabbit_vhost:add(<<"{name}">>, <<"tests">>), '
        f'rabbit_auth_backend_internal:set_permissions(<<"{user}">>, <<"{name}">>, All, All, All, '
        '<<"tests">>)'
    )
    broker_users.let_in(engines.rabbit, f"{address}/{name}")
    return f"{address}/{name}"
