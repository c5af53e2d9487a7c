"""Idempotency keys: what was answered to a request, so that its repetition is answered the same.

Comes in: a connection in the transaction that does what was asked for. Goes out: None for the first
to come, or the answer of before.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.database.pool import Connection
from shared.database.queries import load_queries

_SQL = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class RememberedAnswer:
    """What was answered to an idempotency key; `body` is None while that is still running."""

    fingerprint: bytes
    report_id: int
    status: int | None
    body: bytes | None


async def remember_key(
    connection: Connection, store_id: int, user_id: int, key: str, fingerprint: bytes
) -> RememberedAnswer | None:
    """Reserve the key in this transaction (None), or what it was answered before."""
    arguments = (store_id, user_id, key)
    if await connection.fetchval(_SQL["insert_idempotency_key"], *arguments, fingerprint):
        return None
    row = await connection.fetchrow(_SQL["find_idempotency_key"], *arguments)
    return RememberedAnswer(**row) if row else None


async def complete_key(
    connection: Connection,
    store_id: int,
    user_id: int,
    key: str,
    *,
    report_id: int,
    status: int,
    body: bytes,
) -> None:
    """Keep the answer, in the same transaction."""
    await connection.execute(
        _SQL["complete_idempotency_key"], store_id, user_id, key, report_id, status, body
    )


async def expire_keys(connection: Connection) -> None:
    """Forget keys older than a day."""
    await connection.execute(_SQL["expire_idempotency_keys"])
