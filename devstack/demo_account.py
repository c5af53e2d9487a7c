"""Whose store the demo works in: one store, one user, one token, the same in every run.

In: a running stack. Out: `DemoAccount`, also kept in `demo.json` of the run folder (600), from
where the next run takes it as long as the database still knows its token.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import asyncpg
from pydantic import BaseModel, ConfigDict, ValidationError

from devstack.stack import RunningStack
from shared.database import accounts
from shared.database.pool import Connection

STORE_NAME = "Online Retail"
TIMEZONE = "Europe/London"
CURRENCY = "GBP"
CONNECT_SECONDS = 10.0


class DemoAccount(BaseModel):
    """Holds a token: never log it."""

    model_config = ConfigDict(frozen=True)

    store_id: int
    user_id: int
    token: str


async def obtain(stack: RunningStack) -> DemoAccount:
    """The account of earlier runs if it still works, or a new one."""
    connection = await asyncpg.connect(stack.engines.database_url, timeout=CONNECT_SECONDS)
    try:
        known = remembered(stack.run_dir)
        if known is not None and await _works(connection, known):
            return known
        async with connection.transaction():
            account = await _create(connection)
        _write(stack.run_dir, account)
        return account
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


async def _works(connection: Connection, account: DemoAccount) -> bool:
    principal = await accounts.authenticate(connection, account.token)
    return principal is not None and principal.store_id == account.store_id


async def _create(connection: Connection) -> DemoAccount:
    store = await accounts.create_store(
        connection, name=STORE_NAME, timezone=TIMEZONE, currency=CURRENCY
    )
    # An address of its own each time: the one of a lost demo.json is taken.
    email = f"demo-{secrets.token_hex(4)}@example.com"
    user = await accounts.create_user(connection, email=email, name="Demo")
    await accounts.add_member(connection, store_id=store.store_id, user_id=user.user_id)
    token = await accounts.create_token(
        connection, user_id=user.user_id, store_id=store.store_id, name="demo"
    )
    return DemoAccount(store_id=store.store_id, user_id=user.user_id, token=token.text)


def remembered(run_dir: Path) -> DemoAccount | None:
    """The account of the last run, whether it still works or not."""
    try:
        return DemoAccount.model_validate_json((run_dir / "demo.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _write(run_dir: Path, account: DemoAccount) -> None:
    partial = run_dir / "demo.json.partial"
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(account.model_dump_json(indent=2))
    partial.replace(run_dir / "demo.json")
