"""What an operator does with dead letters: look, send on, throw away, with a record of it.

Comes in: the dead-letter queue, and for the last two the database and who asks. Goes out: what was
found and what was done. Each action is written down before it is done, and its end behind it.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from cli.outcomes import RefusedError
from shared.database import dead_letter_actions
from shared.database.dead_letter_actions import Action, Result, Subject
from shared.database.pool import EVERY_STORE, Connection, Database
from shared.errors import ConflictError, TallyportError, UnavailableError
from shared.messaging.dead_letter import DeadLetter
from shared.messaging.dead_letter_queue import DeadLetterQueue, Look, Picked
from shared.messaging.publisher import NotTakenError
from shared.telemetry import redact

# What is kept of a body that is thrown away.
BODY_KEPT_BYTES_MAX = 8 * 1024
ACTOR_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant: those that match all of what is said. `ids` are the desk's or
    the producers'; `reason` is a code, or a part of the text."""

    ids: tuple[str, ...] = ()
    queue: str | None = None
    kind: str | None = None
    store_id: int | None = None
    reason: str | None = None
    since: datetime | None = None

    @property
    def says_nothing(self) -> bool:
        return self == Filter()

    def matches(self, letter: DeadLetter) -> bool:
        """Whether it is one of them. One that does not say when it died is none of `since`."""
        return (
            (not self.ids or letter.letter_id in self.ids or letter.message_id in self.ids)
            and self.queue in (None, letter.queue)
            and self.kind in (None, letter.kind)
            and self.store_id in (None, letter.store_id)
            and (self.reason is None or self._reason_matches(self.reason, letter))
            and (
                self.since is None or (letter.died_at is not None and letter.died_at >= self.since)
            )
        )

    @staticmethod
    def _reason_matches(reason: str, letter: DeadLetter) -> bool:
        return reason == letter.reason_code or reason.casefold() in letter.reason.casefold()

    def refuse_unknown(self, look: Look) -> None:
        """Raises RefusedError when one that was asked for by its id was not found."""
        found = {
            one for each in look.picked for one in (each.letter.letter_id, each.letter.message_id)
        }
        missing = [one for one in self.ids if one not in found]
        if missing and not look.more:
            lying = look.looked_at + look.behind
            behind = f", {look.behind} of them not looked at" if look.behind else ""
            raise RefusedError(
                f"no dead letter {', '.join(missing)} among {lying}{behind}: "
                "it has been dealt with, or another desk has it in hand"
            )


@dataclass(slots=True)
class Done:
    """What became of the letters that were picked; `broke_off` says why the rest was left."""

    letters: list[DeadLetter] = field(default_factory=list)
    refused: list[tuple[DeadLetter, str]] = field(default_factory=list)
    broke_off: TallyportError | None = None


class Desk:
    """Deals with letters that were picked, one after the other."""

    def __init__(self, queue: DeadLetterQueue, database: Database, actor: str) -> None:
        self._queue = queue
        self._database = database
        self._actor = actor

    async def redrive(self, picked: list[Picked]) -> Done:
        """Send each to where it came from. One that nobody takes stays and is named; the others go
        on. It ends early when the broker or the database is lost."""

        async def one(letter: Picked) -> None:
            await self._queue.redrive(letter, by=self._actor)

        return await self._each(picked, Action.REDRIVE, one)

    async def purge(self, picked: list[Picked]) -> Done:
        """Throw each away, and keep what tells what it was."""
        return await self._each(picked, Action.PURGE, self._queue.drop)

    async def _each(
        self, picked: list[Picked], action: Action, act: Callable[[Picked], Awaitable[None]]
    ) -> Done:
        done = Done()
        for one in picked:
            try:
                refusal = await self._recorded(one, action, act)
            except UnavailableError as error:
                done.broke_off = error
                break
            if refusal is None:
                done.letters.append(one.letter)
            else:
                done.refused.append((one.letter, refusal))
        return done

    async def _recorded(
        self, picked: Picked, action: Action, act: Callable[[Picked], Awaitable[None]]
    ) -> str | None:
        """None, or why it was refused. Raises UnavailableError when nothing more can be done."""
        async with self._connection() as connection:
            action_id = await dead_letter_actions.start(
                connection, self._actor, action, _subject(picked, action)
            )
        result, detail, lost = Result.DONE, None, None
        try:
            await act(picked)
        except (ConflictError, NotTakenError) as error:
            result, detail = Result.REFUSED, error.message
        except UnavailableError as error:
            result, detail, lost = Result.FAILED, error.message, error
        async with self._connection() as connection:
            kept = None if detail is None else redact(detail)
            await dead_letter_actions.finish(connection, action_id, result, kept)
        if lost is not None:
            raise lost
        return detail

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._database.acquire(store_id=EVERY_STORE) as connection:
                yield connection
        except asyncpg.UndefinedTableError:
            raise RefusedError(
                "the database has no table for what is done here: run `tallyport migrate`"
            ) from None
        except asyncpg.InsufficientPrivilegeError as error:
            raise RefusedError(f"this role of the database may not do that: {error}") from None


def actor(named: str | None) -> str:
    """Who asks: as the operating system knows them, and as they say with `--as`."""
    try:
        login = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        login = f"uid {os.getuid()}"
    here = f"{login}@{socket.gethostname()}"
    return f"{named[:ACTOR_CHARS_MAX]} ({here})" if named else here


def _subject(picked: Picked, action: Action) -> Subject:
    letter, body = picked.letter, picked.body
    return Subject(
        letter_id=letter.letter_id,
        message_id=letter.message_id,
        queue=letter.queue,
        kind=letter.kind,
        store_id=letter.store_id,
        reason_code=letter.reason_code,
        reason=letter.reason,
        died_at=letter.died_at,
        redrives=letter.redrives,
        body_bytes=len(body),
        body_sha256=hashlib.sha256(body).hexdigest(),
        body_start=picked.shown_body[:BODY_KEPT_BYTES_MAX] if action is Action.PURGE else None,
    )
