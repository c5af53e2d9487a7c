"""The judge itself: what counts as naming the store, and what only looks like it."""

from __future__ import annotations

import pytest

from tests.distribution.naming import unnamed

TABLES = frozenset({"lists", "items", "notes"})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM items WHERE store_id = $1 AND id = $2",
        "SELECT * FROM items i WHERE $1::bigint = i.store_id",
        "SELECT * FROM items i JOIN lists l ON l.store_id = i.store_id WHERE l.store_id = $1",
        "SELECT * FROM items JOIN lists USING (store_id, id) WHERE items.store_id = 7",
        "SELECT * FROM lists l LEFT JOIN items i ON i.store_id = l.store_id WHERE l.store_id = $1",
        (
            "SELECT 1 FROM lists l, LATERAL (SELECT 1 FROM items i WHERE i.store_id = $1) x "
            "WHERE l.store_id = $1"
        ),
        (
            "WITH mine AS (SELECT store_id, id FROM lists WHERE store_id = $1) "
            "SELECT * FROM mine m JOIN items i ON i.store_id = m.store_id"
        ),
        "SELECT 1 FROM (SELECT * FROM lists WHERE store_id = $1) AS m JOIN items USING (store_id)",
        "SELECT 1 FROM lists WHERE store_id = $1 UNION ALL SELECT 1 FROM items WHERE store_id = $1",
        (
            "UPDATE items i SET id = n.id FROM notes n "
            "WHERE i.store_id = $1 AND n.store_id = i.store_id"
        ),
        "DELETE FROM items USING pg_temp.notes n WHERE items.store_id = $1 AND items.id = n.id",
        (
            "WITH gone AS (DELETE FROM lists WHERE store_id = $1 RETURNING store_id, id) "
            "INSERT INTO items (store_id, id) SELECT store_id, id FROM gone"
        ),
        "INSERT INTO items (id, store_id) VALUES ($2, $1) ON CONFLICT DO NOTHING RETURNING id",
        "COPY items (store_id, id) FROM STDIN",
        "COPY (SELECT * FROM items WHERE store_id = 7) TO STDOUT",
        "EXPLAIN (FORMAT JSON) SELECT * FROM items WHERE store_id = $1",
        "SELECT 1 FROM pg_temp.items",
        "WITH items AS (SELECT 1) SELECT * FROM items",
    ],
)
def test_named(sql: str) -> None:
    assert unnamed(sql, TABLES) == []


@pytest.mark.parametrize(
    ("sql", "without"),
    [
        ("SELECT * FROM items WHERE id = $1", ["items"]),
        ("SELECT store_id FROM items", ["items"]),
        ("SELECT * FROM items WHERE store_id <> $1", ["items"]),
        ("SELECT * FROM items WHERE store_id = ANY ($1)", ["items"]),
        ("SELECT * FROM items WHERE store_id = $1 OR id = $2", ["items"]),
        ("SELECT * FROM items WHERE NOT store_id = $1", ["items"]),
        ("SELECT * FROM items WHERE store_id = id", ["items"]),
        ("SELECT * FROM items WHERE store_id = store_id", ["items"]),
        ("SELECT * FROM items i JOIN lists l ON l.id = i.id WHERE l.store_id = $1", ["items"]),
        ("SELECT * FROM items i JOIN lists l ON l.store_id = i.store_id", ["items", "lists"]),
        # The condition of an outer join says nothing about the rows of its other side.
        (
            "SELECT 1 FROM lists l LEFT JOIN items i ON l.store_id = $1 AND i.store_id = $1",
            ["lists"],
        ),
        ("SELECT * FROM lists l FULL JOIN items i ON l.store_id = $1", ["items", "lists"]),
        ("SELECT * FROM lists WHERE store_id = $1 AND id IN (SELECT id FROM items)", ["items"]),
        ("SELECT 1 FROM lists WHERE store_id = $1 UNION ALL SELECT 1 FROM items", ["items"]),
        # Citus does not look around a subquery for its store, and asks every shard for it.
        (
            (
                "SELECT (SELECT max(id) FROM items i WHERE i.store_id = l.store_id) FROM lists l "
                "WHERE l.store_id = $1"
            ),
            ["items"],
        ),
        (
            (
                "SELECT FROM lists l, LATERAL (SELECT 1 FROM items WHERE store_id = l.store_id) x "
                "WHERE l.store_id = $1"
            ),
            ["items"],
        ),
        (
            "WITH one AS (SELECT store_id FROM lists) SELECT FROM items JOIN one USING (store_id)",
            ["items", "lists"],
        ),
        (
            "SELECT 1 FROM unnest($1::int[]) AS w (store_id) JOIN items i USING (store_id)",
            ["items"],
        ),
        ("UPDATE items SET id = 1 WHERE id = $1", ["items"]),
        (
            "WITH gone AS (DELETE FROM lists WHERE id = $1 RETURNING id) SELECT 1 FROM gone",
            ["lists"],
        ),
        ("INSERT INTO items (id) VALUES ($1)", ["items"]),
        ("INSERT INTO items (store_id, id) SELECT $1, id FROM notes", ["notes"]),
        ("INSERT INTO items VALUES ($1, $2)", ["items"]),
        ("COPY items (id) FROM STDIN", ["items"]),
        ("COPY (SELECT * FROM items) TO STDOUT", ["items"]),
        ("EXPLAIN SELECT * FROM items", ["items"]),
        ("TRUNCATE items, lists", ["items", "lists"]),
        ("CREATE TEMPORARY TABLE t (LIKE items)", ["items"]),
        ("SELECT CASE WHEN EXISTS (SELECT FROM items) THEN 1 END", ["items"]),
        ("SELECT 1; DELETE FROM items", ["items"]),
    ],
)
def test_not_named(sql: str, without: list[str]) -> None:
    assert unnamed(sql, TABLES) == without
