"""Tokens that are remembered: how long, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.tokens import Tokens
from shared import listening as module
from shared.database import accounts
from shared.database.accounts import NewToken, Store
from shared.database.pool import Database
from shared.listening import Listener
from shared.settings import DatabaseSettings
from tests.waiting import until

HOUR = 3_600.0


async def new_token(
    database: Database, store: Store, user_id: int, expires_at: datetime | None = None
) -> NewToken:
    async with database.acquire() as connection:
        return await accounts.create_token(
            connection, user_id=user_id, store_id=store.store_id, expires_at=expires_at
        )


async def end_silently(database: Database, token: NewToken) -> None:
    """As somebody would who writes to the table and tells nobody."""
    async with database.acquire() as connection:
        await connection.execute(
            "UPDATE tokens SET revoked_at = now() WHERE token_id = $1", token.token_id
        )


@asynccontextmanager
async def listening(database: Database, *, seconds: float) -> AsyncIterator[Tokens]:
    listener = Listener(database)
    tokens = Tokens(database, listener, seconds=seconds)
    task = asyncio.create_task(listener.run())
    try:
        yield tokens
    finally:
        task.cancel()
        await asyncio.wait({task})


async def remembered(tokens: Tokens, token: NewToken, database: Database) -> None:
    """Asked until it is remembered: until then nobody listens yet."""

    async def is_remembered() -> bool:
        assert await tokens.principal(token.text) is not None
        return bool(tokens._remembered)

    await until(is_remembered, seconds=5, what="the token is remembered")


async def refused(tokens: Tokens, token: NewToken) -> bool:
    return await tokens.principal(token.text) is None


async def test_what_nobody_told_of_ends_with_the_time(
    database: Database, store: Store, user_id: int
) -> None:
    token = await new_token(database, store, user_id)
    async with listening(database, seconds=0.5) as tokens:
        await remembered(tokens, token, database)
        await end_silently(database, token)
        await until(lambda: refused(tokens, token), seconds=3, what="its time is over")


async def test_a_revocation_is_heard_of(database: Database, store: Store, user_id: int) -> None:
    token = await new_token(database, store, user_id)
    async with listening(database, seconds=HOUR) as tokens:
        await remembered(tokens, token, database)
        async with database.acquire() as connection:
            await accounts.revoke_token(connection, token.token_id)
        await until(lambda: refused(tokens, token), seconds=5, what="the revocation is heard of")


async def test_an_expiry_ends_it_to_the_moment(
    database: Database, store: Store, user_id: int
) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=1.5)
    token = await new_token(database, store, user_id, expires_at)
    async with listening(database, seconds=HOUR) as tokens:
        await remembered(tokens, token, database)
        await until(lambda: refused(tokens, token), seconds=5, what="it has expired")
        async with database.acquire() as connection:
            assert await connection.fetchval("SELECT now()") >= expires_at


async def test_nothing_is_remembered_by_one_who_hears_nothing(
    database: Database, store: Store, user_id: int
) -> None:
    token = await new_token(database, store, user_id)
    tokens = Tokens(database, Listener(database), seconds=HOUR)
    assert await tokens.principal(token.text) is not None
    await end_silently(database, token)
    assert await refused(tokens, token)


async def test_a_lost_line_is_forgetting(
    database: Database,
    database_settings: DatabaseSettings,
    store: Store,
    user_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS_BASE", HOUR)
    monkeypatch.setattr(module, "RETRY_SECONDS_MAX", HOUR)
    token = await new_token(database, store, user_id)
    async with (
        Database.open(database_settings, name="deaf", pool_max=2) as own,
        listening(own, seconds=HOUR) as tokens,
    ):
        await remembered(tokens, token, database)
        await end_silently(database, token)
        assert not await refused(tokens, token)
        async with database.acquire() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'deaf' AND query LIKE 'LISTEN%'"
            )
        await until(lambda: refused(tokens, token), seconds=5, what="the line is lost")


async def test_unknown_ones_are_asked_for_again(
    database: Database, store: Store, user_id: int
) -> None:
    async with listening(database, seconds=HOUR) as tokens:
        assert await tokens.principal("tp_unknown") is None
        token = await new_token(database, store, user_id)
        await remembered(tokens, token, database)
        assert await tokens.principal("tp_unknown") is None
