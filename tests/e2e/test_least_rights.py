"""Each process is somebody of its own to the database and to the broker, with the rights that
deployments give it: what it was started with is tried on what it must not do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiormq
import asyncpg
import pytest
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused

from devstack.services import SERVICES
from shared.contracts import routes
from shared.database import accounts
from shared.database.accounts import Store
from shared.database.pool import Connection, Database
from tests import connected
from tests.e2e.conftest import Stack
from tests.integration.report_worker.seeding import add_customers


def told(stack: Stack, service: str, name: str) -> str:
    """What the running process was started with."""
    return str(stack.process(service).environ()[f"TALLYPORT_{name}_URL"])


@asynccontextmanager
async def connection_of(stack: Stack, service: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(told(stack, service, "DATABASE"), timeout=10)
    try:
        yield connection
    finally:
        await connection.close(timeout=10)


async def test_nobody_is_connected_as_somebody_else(stack: Stack, database: Database) -> None:
    assert await connected.to_database(database) == connected.ROLES
    if stack.broker is not None:
        url = stack.running.engines.broker_url
        assert connected.to_broker(stack.broker, url) == connected.USERS


def records(channel: AbstractChannel) -> Awaitable[object]:
    return channel.basic_publish(b"{}", exchange=routes.COMMANDS, routing_key=routes.RECORDS.name)


def past_exchanges(channel: AbstractChannel) -> Awaitable[object]:
    return channel.basic_publish(b"{}", exchange="", routing_key=routes.RECORDS.name)


def reading_records(channel: AbstractChannel) -> Awaitable[object]:
    return channel.basic_get(routes.RECORDS.name)


def reading_dead_letters(channel: AbstractChannel) -> Awaitable[object]:
    return channel.basic_get(routes.DEAD_QUEUE)


def a_queue(channel: AbstractChannel) -> Awaitable[object]:
    return channel.queue_declare("tallyport.anything", exclusive=True)


def removal(channel: AbstractChannel) -> Awaitable[object]:
    return channel.queue_delete(routes.RECORDS.name)


Act = Callable[[AbstractChannel], Awaitable[object]]
NOBODY_MAY: tuple[Act, ...] = (reading_dead_letters, a_queue, removal)
# The gateway publishes records, and answers to queues that it did not make.
MUST_NOT: dict[str, tuple[Act, ...]] = {
    "gateway": (*NOBODY_MAY, reading_records),
    "aggregator": (*NOBODY_MAY, reading_records, records, past_exchanges),
    "report_worker": (*NOBODY_MAY, reading_records, records, past_exchanges),
    "recorder": (*NOBODY_MAY, records, past_exchanges),
}


@pytest.mark.parametrize("service", SERVICES)
async def test_the_broker_refuses_what_is_not_its_business(stack: Stack, service: str) -> None:
    if stack.broker is None:
        pytest.skip("the broker is not ours to make users on")
    async with await aiormq.connect(told(stack, service, "BROKER")) as connection:
        for act in MUST_NOT[service]:
            channel = await connection.channel(publisher_confirms=True)
            with pytest.raises(ChannelAccessRefused):
                await act(channel)


# Columns are those that the role could name in another statement.
REFUSED = {
    "gateway": (
        "SELECT email FROM customers",
        "SELECT amount FROM transaction_payments",
        "SELECT digest FROM tokens",
        "INSERT INTO customers (store_id, customer_id) VALUES ($1, 'x')",
        "UPDATE registers SET name = 'x'",
    ),
    "aggregator": (
        "SELECT description FROM register_items",
        "SELECT report_id FROM reports",
        "DELETE FROM rollup_rows",
    ),
    "report_worker": ("SELECT digest FROM tokens", "DELETE FROM customers"),
    "recorder": ("SELECT report_id FROM reports", "DELETE FROM register_items"),
}


@pytest.mark.parametrize("service", SERVICES)
async def test_the_database_refuses_what_is_not_its_business(stack: Stack, service: str) -> None:
    everybody = ("CREATE TABLE mine ()", "ALTER TABLE reports DISABLE ROW LEVEL SECURITY",
                 "SET ROLE tallyport_admin")  # fmt: skip
    async with connection_of(stack, service) as connection:
        assert not await connection.fetchval(
            "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb"
            " FROM pg_roles WHERE rolname = current_user"
        )
        for statement in (*everybody, *REFUSED[service]):
            arguments = [1] if "$1" in statement else []
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement, *arguments)


@pytest.mark.parametrize("service", ["gateway", "report_worker"])
async def test_another_store_s_rows_are_not_seen(
    stack: Stack, database: Database, store: Store, service: str
) -> None:
    await add_customers(database, store.store_id, 3)
    async with database.acquire() as connection:
        other = await accounts.create_store(
            connection, name="Other", timezone="Europe/London", currency="GBP"
        )
    async with connection_of(stack, service) as connection:
        for chosen, seen in ((store.store_id, 3), (other.store_id, 0), (-1, 0)):
            await connection.execute(
                "SELECT set_config('tallyport.store_id', $1, false)", str(chosen)
            )
            assert await connection.fetchval("SELECT count(store_id) FROM customers") == seen
