"""Questions are made from what was seen before, and never answered or refused from what is old."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.aggregator.plans import ANY_VERSION, Bindings
from services.aggregator.reading import ATTEMPTS_MAX, Reader
from services.aggregator.registers import (
    AGAIN_SECONDS,
    CHANGING_SECONDS,
    Place,
    Seen,
    state_sql,
)
from shared.database.pool import Database
from shared.database.replica import ReadSources
from shared.errors import InvalidArgumentError
from tests.integration.aggregator.register_under_test import (
    MakeRegister,
    Register,
    add_items,
    instant,
)

NOON = instant("2024-03-10T12:00:00Z")


async def relabel(database: Database, register: Register, **meta: str) -> None:
    async with database.acquire() as connection:
        await connection.execute(
            "UPDATE registers SET meta = $3 WHERE store_id = $1 AND register_id = $2",
            register.store_id,
            register.register_id,
            meta,
        )


async def test_labels_that_changed_without_a_write_are_seen_by_the_next_question(
    make_register: MakeRegister, database: Database
) -> None:
    register = await make_register(["a", "b"], [(NOON, Decimal(1), "x", "y")])
    assert await register.rows(group_by=["a"]) == [["All", "x", 1]]
    await relabel(database, register, meta0="b", meta1="a")
    assert await register.rows(group_by=["a"]) == [["All", "y", 1]]
    await relabel(database, register, meta0="new")
    assert await register.rows(group_by=["new"]) == [["All", "x", 1]]
    with pytest.raises(InvalidArgumentError, match="a is not a meta-column"):
        await register.ask(group_by=["a"])


async def test_a_register_that_moved_to_another_store_is_not_answered(
    make_register: MakeRegister, database: Database
) -> None:
    register = await make_register()
    assert (await register.ask()).body is not None
    async with database.transaction() as connection:
        await connection.execute(
            "DELETE FROM registers WHERE store_id = $1 AND register_id = $2",
            register.store_id,
            register.register_id,
        )
    with pytest.raises(InvalidArgumentError, match="Invalid register_id"):
        await register.ask()


async def test_many_at_once_see_what_was_written_before_each_of_them(
    make_register: MakeRegister, database: Database
) -> None:
    register = await make_register()

    async def write_and_count(number: int) -> None:
        moment = NOON + timedelta(days=number)
        bounds = {
            "start_at": moment.isoformat(),
            "end_at": (moment + timedelta(hours=1)).isoformat(),
        }
        for count in range(1, 8):
            await add_items(database, register, [(moment, Decimal(1))])
            assert await register.rows("item_count", **bounds) == [["All", "All", count]]

    await asyncio.gather(*map(write_and_count, range(6)))


@dataclass(frozen=True)
class Asked:
    sql: str
    values: list[object]
    is_planned_once: bool = False

    @property
    def statement(self) -> Asked:
        return self


async def test_what_changes_all_the_time_is_held_still(
    make_register: MakeRegister, sessions: ReadSources
) -> None:
    register = await make_register()
    place = Place(register.store_id, register.register_id)
    definitions: list[str] = []

    def ask(known: Seen | None) -> Asked:
        assert known is not None
        definitions.append(known.definition)
        if len(definitions) <= ATTEMPTS_MAX:  # as if it had changed since it was seen
            known = replace(known, definition="[]")
        bindings = Bindings()
        state = state_sql(place, known, ANY_VERSION, bindings)
        level = "current_setting('transaction_isolation') AS level"
        return Asked(f"SELECT state.*, {level} FROM ({state}) AS state", bindings.values)  # noqa: S608

    deadline = datetime.now(UTC) + timedelta(seconds=30)
    read = (await Reader(sessions).read(place, ask, deadline=deadline, anew=False)).value
    assert len(definitions) == ATTEMPTS_MAX + 1
    assert len({*definitions}) == 1
    assert read.rows[0]["level"] == "repeatable read"


class Asking:
    """A reader's questions, and what each was made from until it was answered."""

    def __init__(self, register: Register, sessions: ReadSources) -> None:
        self._place = Place(register.store_id, register.register_id)
        self.seconds = 0.0
        self._reader = Reader(sessions, clock=lambda: self.seconds)

    async def made_from(self) -> list[Seen]:
        """The last of them gave the answer."""
        made: list[Seen] = []

        def ask(known: Seen | None) -> Asked:
            assert known is not None
            made.append(known)
            bindings = Bindings()
            version_max = ANY_VERSION if known.is_changing else known.version
            state = state_sql(self._place, known, version_max, bindings)
            return Asked(f"SELECT state.* FROM ({state}) AS state", bindings.values)  # noqa: S608

        deadline = datetime.now(UTC) + timedelta(seconds=30)
        found = await self._reader.read(self._place, ask, deadline=deadline, anew=False)
        self.version = found.value.version
        return made


async def test_what_is_written_to_is_asked_for_any_version(
    make_register: MakeRegister, database: Database, sessions: ReadSources
) -> None:
    register = await make_register()
    asking = Asking(register, sessions)

    async def asked() -> list[tuple[int, bool]]:
        return [(seen.version, seen.is_changing) for seen in await asking.made_from()]

    async def write() -> None:
        await add_items(database, register, [(NOON, Decimal(1))])

    ((first, is_changing),) = await asked()
    assert not is_changing
    await write()
    assert await asked() == [(first, False), (first + 1, True)]
    await write()
    assert await asked() == [(first + 1, True)]
    assert asking.version == first + 2
    # A moment later too.
    asking.seconds += CHANGING_SECONDS / 2
    assert await asked() == [(first + 2, True)]
    asking.seconds += CHANGING_SECONDS
    assert await asked() == [(first + 2, False)]
    await write()
    assert await asked() == [(first + 2, False), (first + 3, True)]


async def test_what_was_redefined_is_looked_at_first(
    make_register: MakeRegister, database: Database, sessions: ReadSources
) -> None:
    register = await make_register()
    asking = Asking(register, sessions)

    async def asked(after: float) -> list[str]:
        asking.seconds += after
        return [seen.meta["meta0"] for seen in await asking.made_from()]

    await relabel(database, register, meta0="a")
    assert await asked(after=0) == ["a"]
    await relabel(database, register, meta0="b")
    assert await asked(after=60) == ["a", "b"]
    # Not a moment later: it is likely to be the same.
    await relabel(database, register, meta0="c")
    assert await asked(after=AGAIN_SECONDS / 2) == ["b", "c"]
    await relabel(database, register, meta0="d")
    assert await asked(after=2 * AGAIN_SECONDS) == ["d"]
    # Nothing has changed, which is not known before it is looked at; then it is.
    assert await asked(after=2 * AGAIN_SECONDS) == ["d"]
    await relabel(database, register, meta0="e")
    assert await asked(after=2 * AGAIN_SECONDS) == ["d", "e"]
