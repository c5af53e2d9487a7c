"""The record of what operators do with dead letters.

Comes in: an action that is about to be done, and how it ended. Goes out: rows of
`dead_letter_actions`, each committed at once, and the newest of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.database.pool import Connection
from shared.database.queries import load_queries

_SQL = load_queries(__file__)


class Action(StrEnum):
    REDRIVE = "redrive"
    PURGE = "purge"


class Result(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    """Nothing was done: it stays where it was."""
    FAILED = "failed"
    """The broker was lost on the way; it may have arrived, and is still there."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The dead letter that an action is about. `body_start`: only of one that is thrown away."""

    letter_id: str
    message_id: str | None
    queue: str | None
    kind: str | None
    store_id: int | None
    reason_code: str
    reason: str
    died_at: datetime | None
    redrives: int
    body_bytes: int
    body_sha256: str
    body_start: bytes | None


async def start(connection: Connection, actor: str, action: Action, subject: Subject) -> int:
    """Write down what is about to be done; the action's id."""
    action_id: int = await connection.fetchval(
        _SQL["start"],
        actor,
        action.value,
        subject.letter_id,
        subject.message_id,
        subject.queue,
        subject.kind,
        subject.store_id,
        subject.reason_code,
        subject.reason,
        subject.died_at,
        subject.redrives,
        subject.body_bytes,
        subject.body_sha256,
        subject.body_start,
    )
    return action_id


async def finish(
    connection: Connection, action_id: int, result: Result, detail: str | None = None
) -> None:
    """Write down how it ended."""
    await connection.execute(_SQL["finish"], action_id, result.value, detail)


async def newest(connection: Connection, *, limit: int) -> list[dict[str, Any]]:
    """What was done last, the newest first."""
    return [dict(row) for row in await connection.fetch(_SQL["newest"], limit)]
