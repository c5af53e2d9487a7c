"""What a store has is nobody else's, whatever a statement forgets to say: row security, and the
rights of each service's role."""
# ruff: noqa: S608 - tables and columns are the catalogue's own

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest

from devstack import database_roles
from shared.database.pool import EVERY_STORE, Connection, Database
from shared.settings import DatabaseSettings
from tests.engines import ROOT, EnginesUnderTest
from tests.integration.database_rights import rendered
from tests.integration.every_table import fill
from tests.own_world import own_world
from tests.roles import as_role
from tests.writing_docs import between_marks

ROLES = database_roles.ROLES
# What work that spans stores needs (docs/security.md): all that -1 opens.
SPANNING = {
    "admin": {"stores", "memberships", "tokens", "dead_letter_actions"},
    "gateway": {"outbox", "reports", "report_files"},
    "report_worker": {"outbox", "reports", "report_uploads", "idempotency_keys"},
    "aggregator": set(),
    "recorder": {"outbox", "registers", "rollups"},
}
A, B = 1_000_001, 1_000_002
# Columns that PostgreSQL alone gives a value.
NOT_GIVEN = ("outbox_id", "action_id", "is_plain")
_COLUMNS = """
    SELECT c.relname AS "table", a.attname AS "column",
           CASE $2::text WHEN 'DELETE' THEN has_table_privilege($1::text, c.oid, $2)
                         ELSE has_column_privilege($1::text, c.oid, a.attnum, $2) END AS may
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
     WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND NOT a.attisdropped
       AND EXISTS (SELECT FROM pg_attribute s WHERE s.attrelid = c.oid AND s.attname = 'store_id')
     ORDER BY 1, a.attnum
"""


@pytest.fixture(scope="module")
async def settings(engines: EnginesUnderTest) -> AsyncIterator[DatabaseSettings]:
    """A database with a row of A and one of B in every table of stores."""
    async with own_world(engines, "row_security") as world:
        settings = DatabaseSettings.model_validate({"url": world.database_url})
        connection = await asyncpg.connect(world.database_url)
        try:
            for store_id in (A, B):
                await fill(connection, store_id)
        finally:
            await connection.close()
        yield settings


@pytest.fixture(scope="module")
async def superuser(settings: DatabaseSettings) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(settings.url.get_secret_value())
    yield connection
    await connection.close()


@asynccontextmanager
async def acting(
    settings: DatabaseSettings, who: str, store_id: int | None
) -> AsyncIterator[Connection]:
    """As this role, for this store; nothing of it stays."""
    async with (
        Database.open(as_role(settings, who), name="tests", pool_max=1) as database,
        database.acquire(store_id=store_id) as connection,
    ):
        transaction = connection.transaction()
        await transaction.start()
        try:
            yield connection
        finally:
            await transaction.rollback()


async def columns(superuser: Connection, who: str, right: str) -> dict[str, list[str]]:
    """The columns that the role has the right to, by table; tables of stores only."""
    found: dict[str, list[str]] = {}
    for row in await superuser.fetch(_COLUMNS, f"tallyport_{who}", right):
        if row["may"]:
            found.setdefault(row["table"], []).append(row["column"])
    return found


async def of_stores(superuser: Connection) -> list[str]:
    rows = await superuser.fetch(_COLUMNS, "tallyport_admin", "SELECT")
    return sorted({row["table"] for row in rows})


async def test_every_table_of_a_store_forces_row_security(superuser: Connection) -> None:
    tables = await of_stores(superuser)
    assert len(tables) > 15
    guarded = await superuser.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid "
        "WHERE c.relrowsecurity AND c.relforcerowsecurity AND p.polname = 'of_store' "
        "AND p.polcmd = '*' AND p.polpermissive AND p.polroles = '{0}' AND p.polwithcheck IS NULL "
        "AND pg_get_expr(p.polqual, p.polrelid) = '(store_id = (NULLIF(current_setting("
        "''tallyport.store_id''::text, true), ''''::text))::bigint)'"
    )
    assert sorted(row[0] for row in guarded) == tables, "each needs what 0007 does (see there)"


async def test_there_are_no_other_policies(superuser: Connection) -> None:
    names = await superuser.fetch("SELECT DISTINCT polname FROM pg_policy")
    assert {row[0] for row in names} == {"of_store", "of_the_owner", "of_every_store"}


@pytest.mark.parametrize("who", ROLES)
async def test_a_role_sees_one_store(
    settings: DatabaseSettings, superuser: Connection, who: str
) -> None:
    readable = await columns(superuser, who, "SELECT")
    assert readable
    for table in readable:
        both = await superuser.fetch(f"SELECT store_id FROM {table}")
        assert {row[0] for row in both} == {A, B}, f"{table} has no rows to be hidden"
    for store_id, seen in ((None, set()), (A, {A}), (B, {B}), (3, set())):
        async with acting(settings, who, store_id) as connection:
            for table in readable:
                rows = await connection.fetch(f"SELECT store_id FROM {table}")
                assert {row[0] for row in rows} == seen, table
    async with acting(settings, who, EVERY_STORE) as connection:
        spanned = {
            table
            for table in readable
            if await connection.fetchval(f"SELECT EXISTS (SELECT store_id FROM {table})")
        }
    assert spanned == SPANNING[who]


@pytest.mark.parametrize("who", ROLES)
async def test_a_role_writes_nothing_of_another_store(
    settings: DatabaseSettings, superuser: Connection, who: str
) -> None:
    writable = await columns(superuser, who, "INSERT")
    changeable = await columns(superuser, who, "UPDATE")
    removable = await columns(superuser, who, "DELETE")
    before = await all_rows(superuser)
    for table, names in writable.items():
        row = await row_of(superuser, table, B)
        for store_id in (A, None):
            async with acting(settings, who, store_id) as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                    await insert(connection, table, names, row)
    for store_id in (A, None):
        async with acting(settings, who, store_id) as connection:
            for table, names in changeable.items():
                told = await connection.execute(
                    f"UPDATE {table} SET {names[0]} = DEFAULT WHERE store_id = $1", B
                )
                assert told == "UPDATE 0", table
            for table in removable:
                assert (
                    await connection.execute(f"DELETE FROM {table} WHERE store_id = $1", B)
                    == "DELETE 0"
                ), table
    for table, names in changeable.items():
        if "store_id" in names:  # its own rows it may change, but not give away
            async with acting(settings, who, A) as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                    await connection.execute(f"UPDATE {table} SET store_id = $1", B)
    assert await all_rows(superuser) == before


async def test_the_copying_role_cannot_say_whose_rows_they_are(
    settings: DatabaseSettings, superuser: Connection
) -> None:
    writable = await columns(superuser, "appender", "INSERT")
    assert sorted(writable) == [
        *("register_items", "transaction_discounts", "transaction_items", "transaction_payments")
    ]
    assert "store_id" not in itertools.chain.from_iterable(writable.values())
    for right in ("SELECT", "UPDATE", "DELETE"):
        assert not await columns(superuser, "appender", right)
    async with acting(settings, "recorder", A) as connection:
        await connection.execute("SET LOCAL ROLE tallyport_appender")
        await connection.copy_records_to_table(
            "register_items",
            columns=("register_id", "unique_key", "amount", "originated_at", "description"),
            records=[(B, "copied", 1, await connection.fetchval("SELECT now()"), "")],
        )
        await connection.execute("SET LOCAL ROLE NONE")
        rows = await connection.fetch(
            "SELECT store_id FROM register_items WHERE unique_key = 'copied'"
        )
        assert [row[0] for row in rows] == [A]
        await connection.execute("SET LOCAL ROLE tallyport_appender")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.copy_records_to_table(
                "register_items", columns=("store_id", "register_id"), records=[(B, B)]
            )
    async with acting(settings, "recorder", None) as connection:
        await connection.execute("SET LOCAL ROLE tallyport_appender")
        with pytest.raises(asyncpg.NotNullViolationError):
            await connection.copy_records_to_table(
                "register_items", columns=("register_id", "unique_key"), records=[(B, "x")]
            )


@pytest.mark.parametrize("who", [*ROLES, "appender"])
async def test_a_role_is_nobody_special(superuser: Connection, who: str) -> None:
    row = await superuser.fetchrow(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolinherit "
        "FROM pg_roles WHERE rolname = $1",
        f"tallyport_{who}",
    )
    assert row is not None
    assert dict(row) == {
        **dict.fromkeys(("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication"), False),
        "rolinherit": False,
        "rolbypassrls": who == "appender",
    }


async def test_the_rights_are_those_of_the_page(superuser: Connection) -> None:
    page = ROOT / "docs" / "security.md"
    assert between_marks(page, "rights", await rendered(superuser))


async def test_a_connection_sees_the_store_of_whoever_has_it(settings: DatabaseSettings) -> None:
    own = as_role(settings, "aggregator")
    seen = "SELECT array_agg(store_id) FROM registers"
    async with Database.open(own, name="tests", pool_max=1) as database:
        for store_id, expected in ((A, [A]), (None, None), (B, [B]), (B, [B]), (A, [A])):
            async with database.acquire(store_id=store_id) as connection:
                assert await connection.fetchval(seen) == expected
        # What failed on the way, or was said for a transaction only, is not what holds afterwards.
        async with database.transaction(store_id=B) as connection:
            await connection.execute("SELECT set_config('tallyport.store_id', '', true)")
        with suppress(asyncpg.DivisionByZeroError):
            async with database.transaction(store_id=B) as connection:
                await connection.execute("SELECT set_config('tallyport.store_id', '3', false), 1/0")
        async with database.acquire(store_id=B) as connection:
            assert await connection.fetchval(seen) == [B]
        async with database.acquire() as connection:
            assert await connection.fetchval(seen) is None


async def row_of(superuser: Connection, table: str, store_id: int) -> dict[str, Any]:
    text = await superuser.fetchval(
        f"SELECT to_jsonb(t) FROM {table} t WHERE store_id = $1", store_id
    )
    row = json.loads(text)
    assert isinstance(row, dict)
    return row


async def all_rows(superuser: Connection) -> dict[str, list[str]]:
    return {
        table: [row[0] for row in await superuser.fetch(f"SELECT t::text FROM {table} t")]
        for table in await of_stores(superuser)
    }


async def insert(connection: Connection, table: str, names: list[str], row: dict[str, Any]) -> None:
    """The row, as far as the role may write its columns. (Made of a literal, for a role may read
    none of the table's.)"""
    given = [name for name in names if row[name] is not None and name not in NOT_GIVEN]
    listed = ", ".join(given)
    quoted = "SELECT quote_literal($1::text)"
    values = [await connection.fetchval(quoted, as_text(row[name])) for name in given]
    await connection.execute(f"INSERT INTO {table} ({listed}) VALUES ({', '.join(values)})")


def as_text(value: object) -> str:
    if isinstance(value, list):
        return "{" + ",".join(map(str, value)) + "}"
    return value if isinstance(value, str) else json.dumps(value)
