-- name: rows
-- All rows of a file, in its order.
FROM ({select}) AS source

-- name: after
-- A range begins behind the last row of the one before. The planner sees through to the index.
source."{key}" > ${parameter}

-- name: up_to
-- And ends with the last of its own.
source."{key}" <= ${parameter}

-- name: explain
-- Whether the rows come out of an index in the order in which they are wanted: then a range of them
-- costs no more than its share.
EXPLAIN (FORMAT JSON) SELECT * {rows};

-- name: follow_index
-- For a range alone the planner would sort again what comes sorted, and with helpers at that.
SET LOCAL enable_sort = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL max_parallel_workers_per_gather = 0;

-- name: follow_planner
-- For whatever is read whole.
SET LOCAL enable_sort TO DEFAULT;
SET LOCAL enable_bitmapscan TO DEFAULT;
SET LOCAL max_parallel_workers_per_gather TO DEFAULT;
