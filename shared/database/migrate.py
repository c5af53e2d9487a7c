"""Bring a database to the newest schema. Safe to run from several processes at once.

Comes in: a database URL. Goes out: the revision that it is at. Alembic keeps the order; each
step is an SQL file beside its revision, for SQL is read as SQL.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, pool, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from shared.settings import DatabaseSettings

# Any constant will do, as long as it never changes: it names the lock "migrating Tallyport".
MIGRATION_LOCK = 0x7A11_9027
MIGRATE_SECONDS = 600.0


def run_sql_file(revision_file: str) -> None:
    """Run the `.sql` file of the same name as this revision, all statements at once.

    A prepared statement takes a single command, so the driver's own simple-query call is used.
    """
    sql = Path(revision_file).with_suffix(".sql").read_text(encoding="utf-8")
    raw = op.get_bind().connection.dbapi_connection
    if raw is None:  # pragma: no cover - a connection in a transaction always has one
        raise RuntimeError("the migration's connection is closed")
    raw.run_async(lambda driver: driver.execute(sql))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def newest_revision() -> str:
    """The revision that this code was written for."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("there are no migrations")
    return head


def _upgrade(connection: Connection) -> str:
    # Held by the transaction, so that it is released however the process ends.
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    # The owner, too, sees rows only when it says whose (docs/security.md).
    connection.execute(text("SELECT set_config('tallyport.store_id', '-1', true)"))
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    revision = MigrationContext.configure(connection).get_current_revision()
    return revision or ""


async def migrate(settings: DatabaseSettings) -> str:
    """Run what is missing, in one transaction, under an advisory lock; return the revision."""
    url = make_url(settings.url.get_secret_value()).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=pool.NullPool)
    try:
        async with asyncio.timeout(MIGRATE_SECONDS), engine.begin() as connection:
            return await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
