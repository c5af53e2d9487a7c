-- name: rows
-- All rows of a file, in its order.
FROM (
{select}
) AS source

-- name: after
-- A piece begins behind the last row of the one before. The planner sees through to the index.
source."{key}" > ${parameter}

-- name: up_to
-- And ends with the last of its own.
source."{key}" <= ${parameter}

-- name: last_of_piece
-- Where a piece of so many rows ends. Nothing: what is left is no more than a piece.
SELECT source."{key}" {rows} OFFSET ${parameter} LIMIT 1;

-- name: explain
-- Whether the rows come out of an index in the order in which they are wanted: then a range of them
-- costs no more than its share.
EXPLAIN (FORMAT JSON) SELECT * {rows};
