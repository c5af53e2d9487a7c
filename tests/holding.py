"""The tests' own connections: they hold rows, locks and builds for as long as they like."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from shared.database.pool import Database
from shared.settings import DatabaseSettings


def open_holding(
    settings: DatabaseSettings, *, name: str = "tests", pool_max: int = 20
) -> AbstractAsyncContextManager[Database]:
    """A pool whose transactions PostgreSQL does not end, as it does those of services."""
    endless = {"idle_in_transaction_session_timeout": "0"}
    return Database.open(settings, name=name, pool_max=pool_max, server_settings=endless)
