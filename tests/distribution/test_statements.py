"""Every statement that the code has names the store, or is on the list of those that cannot."""

from __future__ import annotations

import ast
import re

import pytest

from shared.database.pool import Connection, Database
from tests.distribution import sources
from tests.distribution.across import ACROSS, COPIED, FUNCTIONS, PUT_TOGETHER
from tests.distribution.catalogue import tables
from tests.distribution.naming import trees, unnamed
from tests.engines import ROOT

# How the driver is handed a statement, or the name of a table that it makes one of.
CALLS = {
    *("execute", "executemany", "fetch", "fetchrow", "fetchval", "cursor", "prepare"),
    *("copy_from_query", "copy_from_table", "copy_to_table", "copy_records_to_table"),
}
# These have a method of the same name that is not the driver's.
OTHERS = {
    "cli/invoices.py": "SQLite, in memory",
    "services/gateway/handlers/items.py": "an HTTP response is prepared",
    "services/gateway/handlers/report_events.py": "an HTTP response is prepared",
    "services/recorder/record_transactions.py": "`ledger.prepare`",
    "services/recorder/void_item.py": "`ledger.prepare`",
    "shared/database/spans.py": "a connection that hands on what it is given",
}


@pytest.fixture(scope="module")
async def of_stores(database: Database) -> frozenset[str]:
    """The tables that have `store_id`."""
    async with database.acquire() as connection:
        found = await tables(connection)
    return frozenset(row["table"] for row in found if row["has_store"])


async def test_named_statements_name_the_store(of_stores: frozenset[str]) -> None:
    assert len(of_stores) > 15
    named = sources.named()
    assert len(named) > 100
    without = {where for where, sql in named.items() if unnamed(sql, of_stores)}
    assert without == set(ACROSS), "name the store, or say in across.py why not"


def test_parts_of_statements_have_no_table(all_tables: frozenset[str]) -> None:
    table = re.compile(rf"\b({'|'.join(all_tables)})\b")
    for where, part in sources.parts().items():
        bare = "\n".join(line for line in part.splitlines() if not line.startswith("--"))
        assert not table.search(bare), f"{where} is no part: it reads from a table"


@pytest.fixture(scope="module")
async def all_tables(database: Database) -> frozenset[str]:
    async with database.acquire() as connection:
        return frozenset(row["table"] for row in await tables(connection))


def test_statements_are_put_together_where_it_is_known() -> None:
    """Whatever is sent and is not a named statement as it stands is on the list of `across`, and
    `test_what_is_sent` sees it sent."""
    found = set()
    for path in sources.modules():
        where = sources.relative(path)
        if where in OTHERS:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in CALLS and node.args and not _is_named(node.args[0]):
                found.add((where, ast.unparse(node.args[0])))
    assert found == {(where, what) for where, what, _, _ in PUT_TOGETHER}


def _is_named(argument: ast.expr) -> bool:
    return isinstance(argument, ast.Subscript) and ast.unparse(argument.value) == "_SQL"


async def test_functions_that_look_past_the_store_are_known(database: Database) -> None:
    async with database.acquire() as connection:
        found = await _functions(connection)
        of_stores = frozenset(row["table"] for row in await tables(connection) if row["has_store"])
    assert len(found) > len(FUNCTIONS)
    # A body of BEGIN ATOMIC or RETURN is kept parsed, and told as a whole definition.
    looking = {
        name: touched.pop()
        for name, definition in found.items()
        for body in re.findall(r"BEGIN ATOMIC\s+(.*?)END\s*$", definition, flags=re.DOTALL)
        if (touched := {*unnamed(body, of_stores)})
    }
    assert looking == {name: table for name, (table, _) in FUNCTIONS.items()}


async def _functions(connection: Connection) -> dict[str, str]:
    rows = await connection.fetch(
        "SELECT proname, pg_get_functiondef(oid) AS definition FROM pg_proc "
        "WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'"
    )
    return {row["proname"]: row["definition"] for row in rows}


async def test_copies_that_leave_the_store_out_have_a_default_for_it(database: Database) -> None:
    async with database.acquire() as connection:
        rows = await connection.fetch(
            "SELECT c.relname, pg_get_expr(d.adbin, d.adrelid) AS value FROM pg_attrdef d "
            "JOIN pg_class c ON c.oid = d.adrelid "
            "JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
            "WHERE a.attname = 'store_id' AND c.relnamespace = 'public'::regnamespace"
        )
    served = "(NULLIF(current_setting('tallyport.store_id'::text, true), ''::text))::bigint"
    defaults = {row["relname"]: row["value"] for row in rows if row["relname"] != "stores"}
    assert defaults == dict.fromkeys(COPIED, served)


def test_every_file_of_statements_is_read() -> None:
    """A file that is neither loaded nor known would be outside of all this."""
    loaded = set()
    for path in sources.modules():
        text = path.read_text("utf-8")
        if re.search(r"load_(queries|expressions)\(__file__\)", text):
            loaded.add(path.with_suffix(".sql").relative_to(ROOT).as_posix())
    assert loaded == {sources.relative(path) for path in sources.files()}


def test_what_is_loaded_as_statements_parses() -> None:
    for where, sql in sources.named().items():
        assert len(trees(sql)) >= 1, where
