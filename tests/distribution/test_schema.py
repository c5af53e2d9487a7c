"""The schema can be distributed: each constraint and index by the rules of Citus, and the page that
lists them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.database.pool import Connection, Database
from tests.distribution.catalogue import Judged, judged, tables
from tests.distribution.page import commands, constraints, places, statements
from tests.distribution.placement import DROPPED, PLACES, WHERE, Where
from tests.engines import ROOT
from tests.writing_docs import between_marks

PAGE = ROOT / "docs" / "distribution.md"


@pytest.fixture
async def schema(database: Database) -> AsyncIterator[Connection]:
    """As the owner, in a transaction that comes to nothing."""
    async with database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()


async def test_every_table_has_its_place(schema: Connection) -> None:
    found = await tables(schema)
    assert {row["table"] for row in found} == set(PLACES), "say in placement.py where it is"
    for row in found:
        assert (row["kind"], row["is_partition"], row["inherits"]) == ("r", False, False)
        if WHERE[row["table"]] is Where.DISTRIBUTED:
            assert row["store_type"] == "bigint", "tables are colocated if the types are the same"


async def test_every_constraint_stands(schema: Connection) -> None:
    found = await judged(schema, WHERE)
    assert len(found) > 50
    falling = {f"{one.table}.{one.name}" for one in found if not one.stands}
    assert falling == set(DROPPED), (
        "it cannot stand on Citus: say in placement.py what becomes of it"
    )


async def test_every_primary_key_begins_with_the_store(schema: Connection) -> None:
    """Not asked for by Citus, but by the indexes: one store's rows lie together."""
    for row in await judged(schema, WHERE):
        if row.kind == "primary key" and WHERE[row.table] is Where.DISTRIBUTED:
            assert row.text.startswith("(store_id, "), row


@pytest.mark.parametrize(
    ("change", "kind", "rule"),
    [
        ("ALTER TABLE customers ADD UNIQUE (email)", "unique", "needs store_id"),
        ("CREATE UNIQUE INDEX one ON rollups (rollup_id)", "unique index", "needs store_id"),
        ("CREATE UNIQUE INDEX one ON customers (lower(email), store_id, tax_id)", "", ""),
        ("CREATE UNIQUE INDEX one ON customers ((store_id + 1))", "unique index", "needs store_id"),
        (
            "ALTER TABLE registers ADD EXCLUDE USING btree (register_id WITH =)",
            "exclusion",
            "needs store_id",
        ),
        ("ALTER TABLE users ADD UNIQUE (name)", "", ""),
        (
            (
                "ALTER TABLE rollups ADD UNIQUE (store_id, synced_version, rollup_id), "
                "ADD FOREIGN KEY (rollup_id, rejected_by, rows_held) "
                "REFERENCES rollups (store_id, synced_version, rollup_id)"
            ),
            "foreign key",
            "on both sides",
        ),
        (
            "ALTER TABLE report_uploads ADD FOREIGN KEY (store_id, report_id) REFERENCES registers",
            "foreign key",
            "not from a local table to a distributed one",
        ),
        (
            "ALTER TABLE customers ADD FOREIGN KEY (billing_number) REFERENCES users",
            "foreign key",
            "not from a distributed table to a local one",
        ),
        (
            (
                "CREATE TRIGGER one BEFORE INSERT ON customers "
                "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
            ),
            "trigger",
            "no triggers",
        ),
        (
            "ALTER TABLE customers ADD number integer GENERATED ALWAYS AS IDENTITY",
            "identity",
            "smaller than bigint",
        ),
    ],
)
async def test_what_cannot_stand_is_seen(
    schema: Connection, change: str, kind: str, rule: str
) -> None:
    await schema.execute(
        "ALTER TABLE rollups ADD rejected_by bigint; "
        "ALTER TABLE customers ADD billing_number bigint"
    )
    before = {(one.table, one.name) for one in await judged(schema, WHERE)}
    await schema.execute(change)
    new = [one for one in await judged(schema, WHERE) if (one.table, one.name) not in before]
    falling: list[Judged] = [one for one in new if not one.stands]
    assert new
    assert [one.kind for one in falling] == ([kind] if kind else [])
    assert all(rule in one.rule for one in falling)


async def test_the_page_is_what_is_there(schema: Connection) -> None:
    found = await tables(schema)
    made = {
        "places": places(),
        "commands": commands(),
        "constraints": constraints(await judged(schema, WHERE)),
        "statements": statements({row["table"] for row in found if row["has_store"]}),
    }
    assert all(between_marks(PAGE, name, text) for name, text in made.items())
