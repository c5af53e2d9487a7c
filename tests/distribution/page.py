"""The lists of docs/distribution.md, made from the catalogue and from the lists of this suite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from tests.distribution import sources
from tests.distribution.across import ACROSS, COPIED, FUNCTIONS
from tests.distribution.catalogue import Judged
from tests.distribution.naming import unnamed
from tests.distribution.placement import DROPPED, PLACES, WHERE, Where


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "|---" * len(row) + "|" if row[0] == "---" else f"| {' | '.join(row)} |" for row in lines
    )


def places() -> str:
    """Where each table is."""
    return _table(
        ("table", "on Citus", "why"),
        ((f"`{table}`", where.value, why) for table, (where, why) in PLACES.items()),
    )


def commands() -> str:
    """What distributes a migrated database, with its rows."""
    lines = [
        "ALTER TABLE {} DROP CONSTRAINT {};".format(*constraint.split("."))
        for constraint in DROPPED
    ]
    first = ""
    for table, (where, _) in PLACES.items():
        if where is Where.DISTRIBUTED:
            beside = first or "none"
            first = first or table
            arguments = f"'{table}', 'store_id', colocate_with => '{beside}'"
            lines.append(f"SELECT create_distributed_table({arguments});")
    return "\n".join(["```sql", *lines, "```"])


def constraints(found: Sequence[Judged]) -> str:
    """Each constraint and index, and what becomes of it: distributed tables first."""
    rows = [
        (
            f"`{one.table}`",
            f"`{one.name}`",
            f"{one.kind} `{one.text}`" if one.text else one.kind,
            f"stands: {one.rule}" if one.stands else f"**{DROPPED[f'{one.table}.{one.name}']}**",
        )
        for one in sorted(found, key=lambda one: WHERE[one.table] is not Where.DISTRIBUTED)
    ]
    return _table(("table", "name", "what", "on Citus"), rows)


def statements(of_stores: Set[str]) -> str:
    """What does not name a store, the tables that it is said of, and why."""
    named = sources.named()
    rows = [
        (*where.split(": ")[::-1], _tables(unnamed(named[where], of_stores)), why)
        for where, why in ACROSS.items()
    ]
    copied = "the role that copies may not say whose the rows are; the column's default does"
    rows += [
        (f"COPY {table}", "services/recorder", _tables([table]), copied) for table in sorted(COPIED)
    ]
    rows += [
        (f"{name}()", "the database", _tables([table]), why)
        for name, (table, why) in FUNCTIONS.items()
    ]
    return _table(
        ("statement", "in", "of", "why it names none"),
        ((f"`{name}`", f"`{place}`", tables, why) for name, place, tables, why in rows),
    )


def _tables(names: Iterable[str]) -> str:
    """Distributed ones stand out."""
    return ", ".join(
        f"**`{name}`**" if WHERE[name] is Where.DISTRIBUTED else f"`{name}`"
        for name in sorted({*names})
    )
