"""Stores, users, members and tokens: for the operator, straight on the database.

Comes in: TALLYPORT_DATABASE_URL, and a role in it that may write these tables. Goes out: rows,
and a token's text, once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import asyncpg
import typer
from pydantic import ValidationError

from cli.command import Answer, command
from cli.outcomes import RefusedError, UnreachableError, UsageError
from cli.tables import table
from shared.database import accounts
from shared.database.accounts import Scope
from shared.database.migrate import migrate as bring_up_to_date
from shared.database.pool import CONNECTION_ERRORS, Connection
from shared.settings import DatabaseSettings
from shared.telemetry import redact

CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 60.0
# Besides what a lost connection raises: a wrong password, no such database, no such address.
CANNOT_CONNECT: tuple[type[BaseException], ...] = (
    *CONNECTION_ERRORS,
    asyncpg.PostgresError,
    ValueError,
)
STORE_COLUMNS = ("store_id", "name", "timezone", "currency")
TOKEN_COLUMNS = (
    *("token_id", "user_id", "store_id", "prefix", "name", "scopes"),
    *("expires_at", "revoked_at"),
)

stores = typer.Typer(help="The tenants.", no_args_is_help=True)
users = typer.Typer(help="People, and systems that own service tokens.", no_args_is_help=True)
members = typer.Typer(help="Who belongs to which store.", no_args_is_help=True)
tokens = typer.Typer(help="What callers show to be let in.", no_args_is_help=True)

UserId = Annotated[int, typer.Option("--user", min=1, help="The user's id.")]
StoreId = Annotated[int, typer.Option("--store", min=1, help="The store's id.")]


def add_to(app: typer.Typer) -> None:
    """Add the administration's commands."""
    command(app, "migrate")(migrate)
    app.add_typer(stores, name="store")
    app.add_typer(users, name="user")
    app.add_typer(members, name="member")
    app.add_typer(tokens, name="token")


async def migrate() -> Answer:
    """Bring the database to the newest schema."""
    async with connected():
        pass  # so that an unreachable database is told in the same words as everywhere
    revision = await bring_up_to_date(database_settings())
    return Answer({"revision": revision}, f"the database is at revision {revision}")


@command(stores, "create")
async def store_create(
    *,
    name: Annotated[str, typer.Option("--name")],
    timezone: Annotated[str, typer.Option("--timezone", help="An IANA name: Europe/London.")],
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217: GBP.")],
) -> Answer:
    """Create a store."""
    async with connected() as connection:
        store = await accounts.create_store(
            connection, name=name, timezone=timezone, currency=currency
        )
    return Answer(asdict(store), f"store {store.store_id} is created")


@command(stores, "list")
async def store_list() -> Answer:
    """Show all stores."""
    async with connected() as connection:
        found = [asdict(store) for store in await accounts.list_stores(connection)]
    rows = [[store[column] for column in STORE_COLUMNS] for store in found]
    return Answer({"stores": found}, table("Stores", STORE_COLUMNS, rows))


@command(users, "create")
async def user_create(
    *,
    email: Annotated[str, typer.Option("--email")],
    name: Annotated[str, typer.Option("--name")] = "",
) -> Answer:
    """Create a user."""
    async with connected() as connection:
        user = await accounts.create_user(connection, email=email, name=name)
    return Answer(asdict(user), f"user {user.user_id} is created")


@command(members, "add")
async def member_add(*, user: UserId, store: StoreId) -> Answer:
    """Make a user a member of a store. Twice is once."""
    async with connected() as connection:
        await accounts.add_member(connection, store_id=store, user_id=user)
    return Answer(
        {"user_id": user, "store_id": store, "member": True},
        f"user {user} is a member of store {store}",
    )


@command(members, "remove")
async def member_remove(*, user: UserId, store: StoreId) -> Answer:
    """End a membership; the user's tokens of this store end with it."""
    async with connected() as connection:
        was_member = await accounts.remove_member(connection, store_id=store, user_id=user)
    if not was_member:
        raise RefusedError(f"user {user} is no member of store {store}")
    return Answer(
        {"user_id": user, "store_id": store, "member": False},
        f"user {user} is no longer a member of store {store}",
    )


@command(tokens, "create")
async def token_create(
    *,
    user: UserId,
    store: Annotated[int | None, typer.Option("--store", min=1, help="Its only store.")] = None,
    service: Annotated[bool, typer.Option("--service", help="For every store.")] = False,
    scope: Annotated[
        list[Scope] | None, typer.Option("--scope", help="Again for several; read and write.")
    ] = None,
    expires_in_days: Annotated[
        int | None, typer.Option("--expires-in-days", min=1, max=36_500, help="Else never.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What it is for.")] = "",
) -> Answer:
    """Create a token and print it: once, for only its digest is kept."""
    if service == (store is not None):
        raise UsageError("say either --store ID or --service")
    expires_at = datetime.now(UTC) + timedelta(days=expires_in_days) if expires_in_days else None
    async with connected() as connection:
        token = await accounts.create_token(
            connection,
            user_id=user,
            store_id=store,
            name=name,
            scopes=scope or (Scope.READ, Scope.WRITE),
            expires_at=expires_at,
        )
    return Answer(
        {"token_id": token.token_id, "token": token.text, "expires_at": expires_at}, token.text
    )


@command(tokens, "list")
async def token_list() -> Answer:
    """Show all tokens, but for what would let one in."""
    async with connected() as connection:
        found = await accounts.list_tokens(connection)
    rows = [[token[column] for column in TOKEN_COLUMNS] for token in found]
    return Answer({"tokens": found}, table("Tokens", TOKEN_COLUMNS, rows))


@command(tokens, "revoke")
async def token_revoke(*, token_id: Annotated[int, typer.Argument(min=1)]) -> Answer:
    """Refuse a token from now on. Revoking twice is revoking."""
    async with connected() as connection:
        if not await accounts.revoke_token(connection, token_id):
            raise RefusedError(f"there is no token {token_id}")
    return Answer({"token_id": token_id, "revoked": True}, f"token {token_id} is revoked")


@asynccontextmanager
async def connected() -> AsyncIterator[Connection]:
    """A connection in a transaction. Raises `UnreachableError`, or `UsageError` without a URL."""
    url = database_settings().url.get_secret_value()
    try:
        connection = await asyncpg.connect(
            url, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS
        )
    except CANNOT_CONNECT as error:
        reason = redact(str(error)) or type(error).__name__
        raise UnreachableError(
            f"cannot reach the database: {reason} (TALLYPORT_DATABASE_URL)"
        ) from None
    try:
        async with connection.transaction():
            # For whoever row security holds for: the operator sees the accounts of all stores.
            await connection.execute("SELECT set_config('tallyport.store_id', '-1', true)")
            yield connection
    except asyncpg.UndefinedTableError:
        raise RefusedError("the database has no tables yet: run `tallyport migrate`") from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise RefusedError(f"this role of the database may not do that: {error}") from None
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


def database_settings() -> DatabaseSettings:
    """Where the database is. Raises `UsageError` when nobody said."""
    try:
        return DatabaseSettings()
    except ValidationError:
        raise UsageError(
            "no database: set TALLYPORT_DATABASE_URL to postgresql://user:password@host:port/name"
        ) from None
