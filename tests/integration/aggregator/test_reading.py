"""Questions are made from what was seen before, and never answered or refused from what is old."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.aggregator.plans import ANY_VERSION, Bindings
from services.aggregator.reading import ATTEMPTS_MAX, Reader
from services.aggregator.registers import Place, Seen, state_sql
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


async def test_what_just_changed_is_looked_at_first(
    make_register: MakeRegister, database: Database, sessions: ReadSources
) -> None:
    register = await make_register()
    place = Place(register.store_id, register.register_id)
    reader = Reader(sessions)

    async def versions() -> list[int]:
        """Those that a question was made from, until it was answered."""
        made: list[int] = []

        def ask(known: Seen | None) -> Asked:
            assert known is not None
            made.append(known.version)
            bindings = Bindings()
            state = state_sql(place, known, known.version, bindings)
            return Asked(f"SELECT state.* FROM ({state}) AS state", bindings.values)  # noqa: S608

        deadline = datetime.now(UTC) + timedelta(seconds=30)
        read = (await reader.read(place, ask, deadline=deadline, anew=False)).value
        assert read.version == made[-1]
        return made

    async def write() -> None:
        await add_items(database, register, [(NOON, Decimal(1))])

    (first,) = await versions()
    await write()
    assert await versions() == [first, first + 1]
    await write()
    assert await versions() == [first + 2]
    # Nothing has changed, which is not known before it is looked at; then it is.
    assert await versions() == [first + 2]
    await write()
    assert await versions() == [first + 2, first + 3]
