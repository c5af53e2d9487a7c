"""The database package on a real server: migrations, tokens, the outbox, named queries."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from shared.contracts.recording import ItemsRecorded
from shared.contracts.reports import ReportBuild
from shared.database import accounts, outbox
from shared.database.accounts import Scope, Store
from shared.database.migrate import migrate, newest_revision
from shared.database.pool import PASSING_ERRORS, Database
from shared.database.queries import load_expressions, load_queries
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError, UnavailableError
from shared.settings import DatabaseSettings
from tests.waiting import until


async def _empty_database(settings: DatabaseSettings) -> DatabaseSettings:
    url = settings.url.get_secret_value()
    name = f"empty_{uuid.uuid4().hex[:8]}"
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return settings.model_copy(update={"url": SecretStr(f"{url.rpartition('/')[0]}/{name}")})


async def test_processes_that_migrate_at_once_all_arrive(
    database_settings: DatabaseSettings,
) -> None:
    empty = await _empty_database(database_settings)
    revisions = await asyncio.gather(*(migrate(empty) for _ in range(5)))
    assert set(revisions) == {newest_revision()}
    async with Database.open(empty, name="test") as database, database.acquire() as connection:
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
    assert {"stores", "register_items", "reports", "outbox"} <= {row[0] for row in tables}


async def test_every_table_of_a_store_is_keyed_by_store(database: Database) -> None:
    """So that all of them can be distributed by store_id: keys and foreign keys start with it."""
    shared = {"users", "tokens", "stores", "alembic_version", "dead_letter_actions"}
    async with database.acquire() as connection:
        keys = await connection.fetch(
            """
            SELECT c.relname, k.contype::text, a.attname
              FROM pg_constraint k
              JOIN pg_class c ON c.oid = k.conrelid
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
             WHERE k.contype IN ('p', 'f') AND c.relnamespace = 'public'::regnamespace
            """
        )
    heads = {(table, kind, column) for table, kind, column in keys if table not in shared}
    # memberships.user_id refers to users, which belongs to no store.
    heads.discard(("memberships", "f", "user_id"))
    heads.discard(("reports", "f", "user_id"))
    assert {column for _, _, column in heads} == {"store_id"}
    assert len({table for table, kind, _ in heads if kind == "p"}) >= 14


async def test_a_token_lets_in_until_it_is_revoked_or_expires(
    database: Database, store: Store, user_id: int
) -> None:
    async with database.acquire() as connection:
        token = await accounts.create_token(connection, user_id=user_id, store_id=store.store_id)
        principal = await accounts.authenticate(connection, token.text)
        assert principal is not None
        assert (principal.user_id, principal.store_id) == (user_id, store.store_id)
        assert principal.scopes == {Scope.READ, Scope.WRITE}
        assert await accounts.authenticate(connection, token.text[:-1] + "!") is None

        expired = await accounts.create_token(
            connection,
            user_id=user_id,
            store_id=store.store_id,
            expires_at=datetime.now(UTC) - timedelta(seconds=1),
        )
        assert await accounts.authenticate(connection, expired.text) is None

        assert await accounts.revoke_token(connection, token.token_id)
        assert await accounts.authenticate(connection, token.text) is None


async def test_a_token_text_is_not_kept(database: Database, store: Store, user_id: int) -> None:
    async with database.acquire() as connection:
        token = await accounts.create_token(connection, user_id=user_id, store_id=None)
        row = await connection.fetchrow(
            "SELECT t::text AS everything FROM tokens t WHERE token_id = $1", token.token_id
        )
        principal = await accounts.authenticate(connection, token.text)
    assert row is not None
    assert token.text not in row["everything"]
    assert len(token.text) >= 43
    assert principal is not None
    assert principal.store_id is None


async def test_a_member_who_leaves_takes_the_tokens_along(
    database: Database, store: Store, user_id: int
) -> None:
    async with database.acquire() as connection:
        token = await accounts.create_token(connection, user_id=user_id, store_id=store.store_id)
        assert await accounts.remove_member(connection, store_id=store.store_id, user_id=user_id)
        assert await accounts.authenticate(connection, token.text) is None
        with pytest.raises(NotFoundError, match="no member"):
            await accounts.create_token(connection, user_id=user_id, store_id=store.store_id)


async def test_bad_stores_and_users_are_refused_by_name(database: Database) -> None:
    async with database.acquire() as connection:
        with pytest.raises(InvalidArgumentError, match="Mars/Phobos"):
            await accounts.create_store(
                connection, name="x", timezone="Mars/Phobos", currency="GBP"
            )
        with pytest.raises(InvalidArgumentError, match="pounds"):
            await accounts.create_store(connection, name="x", timezone="UTC", currency="pounds")
        user = await accounts.create_user(connection, email=f"{uuid.uuid4().hex}@example.com")
        with pytest.raises(ConflictError, match="already"):
            await accounts.create_user(connection, email=user.email)
        with pytest.raises(NotFoundError, match="store 999999999"):
            await accounts.add_member(connection, store_id=999_999_999, user_id=user.user_id)


@pytest.mark.parametrize(("currency", "digits"), [("GBP", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)])
def test_money_has_the_digits_of_its_currency(currency: str, digits: int) -> None:
    assert accounts.currency_digits(currency) == digits


async def _promise_and_fail(database: Database, store: Store, build: ReportBuild) -> None:
    async with database.transaction() as connection:
        await outbox.enqueue_command(connection, store.store_id, build)
        raise ZeroDivisionError


async def test_a_promise_is_there_only_if_its_transaction_is(
    database: Database, store: Store
) -> None:
    build = ReportBuild(store_id=store.store_id, report_id=1)
    with pytest.raises(ZeroDivisionError):
        await _promise_and_fail(database, store, build)
    async with database.transaction() as connection:
        event = ItemsRecorded(store_id=store.store_id, register_id=1, version=1, inserted=1)
        await outbox.enqueue_event(connection, store.store_id, event)
    async with database.transaction() as connection:
        mine = [
            promise
            for promise in await outbox.take(connection, limit=10_000)
            if promise.store_id == store.store_id
        ]
        assert [promise.kind for promise in mine] == ["items.recorded.v1"]
        assert mine[0].message_id == event.message_id
        async with database.transaction() as other:
            assert not [
                promise
                for promise in await outbox.take(other, limit=10_000)
                if promise.store_id == store.store_id
            ], "a promise that one relay has in hand is not another's"
        await outbox.remove(connection, mine)


async def test_a_pool_without_a_free_connection_says_so_in_time(
    database_settings: DatabaseSettings,
) -> None:
    settings = database_settings.model_copy(update={"acquire_seconds": 0.1})
    async with Database.open(settings, name="test", pool_max=1) as database:
        async with database.acquire():
            with pytest.raises(UnavailableError, match="database"):
                async with database.acquire():
                    pass
        assert await database.problem() is None


async def _wait_and_be_killed(victim: Database, killers: Database) -> None:
    async with victim.acquire() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        async with killers.acquire() as killer:
            await killer.execute("SELECT pg_terminate_backend($1)", pid)
        await connection.fetchval("SELECT pg_sleep(60)")


async def test_a_killed_backend_is_an_error_that_a_retry_helps(
    database_settings: DatabaseSettings, database: Database
) -> None:
    async with Database.open(database_settings, name="victim", pool_max=1) as victim:
        with pytest.raises(UnavailableError):
            await _wait_and_be_killed(victim, database)
        async with victim.acquire() as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def _do_nothing_in_a_transaction(idle: Database) -> None:
    async with idle.transaction() as connection:

        async def ended() -> bool:
            return connection.is_closed()

        await until(ended, seconds=10, what="the end of a transaction that does nothing")
        await connection.fetchval("SELECT 1")


async def test_a_transaction_that_does_nothing_is_ended(
    database_settings: DatabaseSettings,
) -> None:
    soon = database_settings.model_copy(update={"transaction_idle_seconds": 0.2})
    async with Database.open(soon, name="idle", pool_max=1) as idle:
        with pytest.raises(UnavailableError):
            await _do_nothing_in_a_transaction(idle)
        async with idle.acquire() as connection:
            assert await connection.fetchval("SELECT 1") == 1


def test_queries_have_names_and_reasons(tmp_path: Path) -> None:
    sql = tmp_path / "some.sql"
    sql.write_text("-- name: one\n-- Why.\nSELECT 1;\n\n-- name: two\n-- Why.\nSELECT 2;\n")
    assert load_queries(str(tmp_path / "some.py")) == {
        "one": "-- Why.\nSELECT 1;",
        "two": "-- Why.\nSELECT 2;",
    }
    assert load_expressions(str(tmp_path / "some.py")) == {"one": "SELECT 1;", "two": "SELECT 2;"}
    sql.write_text("-- name: one\nSELECT 1;\n")
    with pytest.raises(ValueError, match="says why"):
        load_queries(str(tmp_path / "some.py"))
    sql.write_text("-- name: one\n-- Why.\nSELECT 1;\n-- name: one\n-- Why.\nSELECT 2;\n")
    with pytest.raises(ValueError, match="twice"):
        load_queries(str(tmp_path / "some.py"))


async def _live_through(database: Database, pids: list[int]) -> None:
    """A loop in the background, as all of ours are."""
    while True:
        try:
            async with database.transaction() as connection:
                pids.append(await connection.fetchval("SELECT pg_backend_pid()"))
                await asyncio.Event().wait()
        except PASSING_ERRORS:
            continue


async def test_a_loop_ends_when_it_is_cancelled_on_a_lost_connection(
    database: Database,
) -> None:
    """The rollback that it causes fails there, with an error that loops live through."""
    pids: list[int] = []
    loop = asyncio.create_task(_live_through(database, pids))

    async def begun() -> bool:
        return bool(pids)

    await until(begun, seconds=10, what="the loop's transaction")
    async with database.acquire() as connection:
        await connection.execute("SELECT pg_terminate_backend($1, 5000)", pids[0])
    loop.cancel()
    await asyncio.wait({loop}, timeout=10)
    assert loop.cancelled()
