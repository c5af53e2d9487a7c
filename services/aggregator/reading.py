"""Ask the database about a register in one statement, of one snapshot.

Comes in: which register, and how a question is made of what is known about it. Goes out: what was
made, its rows and the register's version, all of the snapshot that the rows are from.

A question needs to know labels and rollups before it can be written down. They are those that this
process saw last; the statement compares them with those that there are, and reads nothing else if
they differ. Then it is made again, of those. So nothing is ever answered, or refused, from what is
no longer so, and as long as nothing changes a question takes one round trip.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import asyncpg

from services.aggregator.deadlines import seconds_left
from services.aggregator.registers import Place, Registers, Seen, look
from shared.database.pool import Connection, plan_once
from shared.database.replica import Found, ReadSources, Source
from shared.database.spans import called
from shared.errors import InvalidArgumentError

# So often what is known may have changed meanwhile; then it is held still.
ATTEMPTS_MAX = 3


class Written(Protocol):
    """A statement that begins with the register's state (`state_sql`); each of its rows has it. One
    that `is_planned_once` is so for each text and session, not anew for its values: where a plan
    does not depend on them, planning takes longer than reading."""

    @property
    def sql(self) -> str: ...

    @property
    def values(self) -> Sequence[object]: ...

    @property
    def is_planned_once(self) -> bool: ...


class Asked(Protocol):
    """What a question is made into. No statement: it is answered by the register's version."""

    @property
    def statement(self) -> Written | None: ...


A = TypeVar("A", bound=Asked)
# None: there is no such register. Raises what the question is refused with.
Ask = Callable[[Seen | None], A]


@dataclass(frozen=True, slots=True)
class Read(Generic[A]):
    asked: A
    rows: Sequence[asyncpg.Record]
    version: int


class Reader:
    """For any number of questions at once."""

    def __init__(
        self, sources: ReadSources, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sources = sources
        self._registers = Registers(clock)

    async def read(
        self, place: Place | None, ask: Ask[A], *, deadline: datetime, anew: bool
    ) -> Found[Read[A]]:
        """`anew`: look at the register first, for a question that may need nothing else."""
        return await self._sources.read(
            lambda source: self._read(source, place, ask, deadline=deadline, anew=anew)
        )

    async def _read(
        self, source: Source, place: Place | None, ask: Ask[A], *, deadline: datetime, anew: bool
    ) -> Read[A]:
        seconds = seconds_left(deadline)
        async with source.acquire(seconds_max=seconds) as connection:
            one = _One(connection, self._registers, place, ask, deadline)
            # Then looking first is less than asking twice.
            anew = anew or self._registers.is_likely_redefined(place)
            for number in range(ATTEMPTS_MAX):
                if (found := await one.attempt(anew=anew and number == 0)) is not None:
                    return found
            # Not in the transaction, which might take it back.
            await plan_once(connection, is_once=False, seconds_max=seconds_left(deadline))
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                found = await one.attempt(anew=True)
        if found is None:  # pragma: no cover - a snapshot does not change
            raise RuntimeError("a register changed within a snapshot")
        return found


@dataclass(slots=True)
class _One(Generic[A]):
    """One question."""

    connection: Connection
    registers: Registers
    place: Place | None
    ask: Ask[A]
    deadline: datetime

    async def attempt(self, *, anew: bool) -> Read[A] | None:
        """None: what was known is no longer so."""
        known = None if anew or self.place is None else self.registers.last_seen(self.place)
        asked: A | None = None
        if known is not None:
            try:
                asked = self.ask(known)
            except InvalidArgumentError:
                # It may be the old state's fault.
                known = None
        if asked is None or known is None:
            known = await self._look()
            asked = self.ask(known)
        if known is None:  # pragma: no cover - `ask` refuses that
            raise RuntimeError("a question about no register was let through")
        if asked.statement is None:
            return Read(asked, (), known.version)
        await plan_once(
            self.connection,
            is_once=asked.statement.is_planned_once and not self.connection.is_in_transaction(),
            seconds_max=seconds_left(self.deadline),
        )
        with called("answer_question"):
            rows = await self.connection.fetch(
                asked.statement.sql, *asked.statement.values, timeout=seconds_left(self.deadline)
            )
        state = rows[0] if rows else None
        if state is not None and state["is_same"]:
            if self.place is not None:
                self.registers.see_version(self.place, state["version"])
            return Read(asked, rows, state["version"])
        if self.place is not None:
            self.registers.see(self.place, state)
        return None

    async def _look(self) -> Seen | None:
        if self.place is None:
            return None
        state = await look(self.connection, self.place, seconds=seconds_left(self.deadline))
        return self.registers.see(self.place, state)
