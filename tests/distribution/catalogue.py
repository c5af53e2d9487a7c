"""The constraints and indexes of a migrated database, each judged by the rules of Citus.

Comes in: a connection, and where each table is meant to be (`placement`). Goes out: `Judged`, one
for each constraint, index, trigger, identity and generated column: whether it can stand, and by
which rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import asyncpg

from shared.database.pool import Connection
from tests.distribution.placement import Where

STORE = "store_id"

# One row for each thing that ties rows together: kind, its columns, and whom it points at.
_FOUND = """
    SELECT c.relname AS "table", k.conname AS name,
           CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique'
                          WHEN 'x' THEN 'exclusion' WHEN 'f' THEN 'foreign key' END AS kind,
           names.of_columns AS columns, t.relname AS target, names.of_target AS target_columns,
           k.confdeltype::text || k.confupdtype::text AS actions, '' AS detail
      FROM pg_constraint k
      JOIN pg_class c ON c.oid = k.conrelid
      LEFT JOIN pg_class t ON t.oid = k.confrelid
     CROSS JOIN LATERAL (
           SELECT ARRAY(SELECT a.attname::text
                          FROM unnest(k.conkey) WITH ORDINALITY AS n (attnum, place)
                          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = n.attnum
                         ORDER BY n.place) AS of_columns,
                  ARRAY(SELECT a.attname::text
                          FROM unnest(k.confkey) WITH ORDINALITY AS n (attnum, place)
                          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = n.attnum
                         ORDER BY n.place) AS of_target) AS names
     WHERE c.relnamespace = 'public'::regnamespace AND k.contype IN ('p', 'u', 'x', 'f')
     UNION ALL
    SELECT c.relname, i.relname, CASE WHEN x.indisunique THEN 'unique index' ELSE 'index' END,
           ARRAY(SELECT pg_get_indexdef(x.indexrelid, n, false)
                   FROM generate_series(1, x.indnkeyatts) AS n), NULL, NULL, NULL,
           coalesce(' WHERE ' || pg_get_expr(x.indpred, x.indrelid), '')
      FROM pg_index x
      JOIN pg_class c ON c.oid = x.indrelid
      JOIN pg_class i ON i.oid = x.indexrelid
     WHERE c.relnamespace = 'public'::regnamespace
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid
                                                     AND k.contype IN ('p', 'u', 'x'))
     UNION ALL
    SELECT c.relname, g.tgname, 'trigger', '{}', NULL, NULL, NULL, ''
      FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
     WHERE c.relnamespace = 'public'::regnamespace AND NOT g.tgisinternal
     UNION ALL
    SELECT c.relname, a.attname, 'identity', ARRAY[format_type(a.atttypid, a.atttypmod)],
           NULL, NULL, NULL, ''
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = 'public'::regnamespace AND a.attidentity <> ''
     UNION ALL
    SELECT c.relname, a.attname, 'generated column', ARRAY[format_type(a.atttypid, a.atttypmod)],
           NULL, NULL, NULL, ''
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = 'public'::regnamespace AND a.attgenerated <> ''
     ORDER BY 1, 3, 2
"""
_TABLES = """
    SELECT c.relname AS "table", c.relkind::text AS kind, c.relispartition AS is_partition,
           EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)) AS inherits,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'store_id'
                                                AND NOT a.attisdropped) AS has_store,
           (SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attname = 'store_id') AS store_type
      FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
     ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """`rule` says why it can stand, or what is in its way."""

    table: str
    kind: str
    name: str
    text: str
    stands: bool
    rule: str


async def tables(connection: Connection) -> list[asyncpg.Record]:
    """All relations that hold rows or show them: `table`, `kind`, `has_store`, ..."""
    return await connection.fetch(_TABLES)


async def judged(connection: Connection, where: Mapping[str, Where]) -> list[Judged]:
    """By table, kind and name."""
    rows = await connection.fetch(_FOUND)
    return [_judged(row, where) for row in rows]


def _judged(row: asyncpg.Record, where: Mapping[str, Where]) -> Judged:
    judge: Callable[[asyncpg.Record, Mapping[str, Where]], tuple[bool, str]] = (
        _foreign_key if row["kind"] == "foreign key" else _alone
    )
    stands, rule = judge(row, where)
    text = f"({', '.join(row['columns'])})" if row["columns"] else ""
    if row["target"]:
        text += f" to {row['target']} ({', '.join(row['target_columns'])})"
    return Judged(row["table"], row["kind"], row["name"], text + row["detail"], stands, rule)


def _alone(row: asyncpg.Record, where: Mapping[str, Where]) -> tuple[bool, str]:
    """Whatever looks at the rows of one table."""
    kind, is_here = row["kind"], where[row["table"]]
    if is_here is not Where.DISTRIBUTED:
        return True, f"{is_here.value}: one table sees all rows"
    if kind in ("primary key", "unique", "unique index", "exclusion"):
        # Of rows with the same store_id only: one shard sees them all.
        if STORE in row["columns"]:
            return True, "has store_id"
        return False, "a shard sees its own rows only: needs store_id"
    if kind == "identity" and row["columns"] != ["bigint"]:
        return False, "smaller than bigint: no room for the node's number"
    return {
        "trigger": (False, "no triggers on distributed tables"),
        "identity": (True, "bigint: each node has numbers of its own"),
    }.get(kind, (True, "each shard has its own"))


def _foreign_key(row: asyncpg.Record, where: Mapping[str, Where]) -> tuple[bool, str]:
    here, there = where[row["table"]], where[row["target"]]
    pair = (here, there)
    if pair == (Where.DISTRIBUTED, Where.DISTRIBUTED):
        if (STORE, STORE) in zip(row["columns"], row["target_columns"], strict=True):
            return True, "store_id to store_id, colocated"
        return False, "the two rows may be on different nodes: needs store_id on both sides"
    if pair == (Where.REFERENCE, Where.LOCAL) and set(row["actions"]) & set("cnd"):
        return False, "a reference table changes nothing because of a local one"
    if Where.DISTRIBUTED in pair and there is not Where.REFERENCE:
        return False, f"not from a {here.value} table to a {there.value} one"
    return True, f"{here.value} to {there.value}"
