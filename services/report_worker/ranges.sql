-- name: rows
-- All rows of a file, in its order.
FROM ({select}) AS source

-- name: after
-- A range begins behind the last row of the one before. The planner sees through to the index.
source."{key}" > ${parameter}

-- name: up_to
-- And ends with the last of its own.
source."{key}" <= ${parameter}

-- name: joined
-- A range of them ($4 and $5, see `Joined`), with some columns from a join: what the SELECT looks up
-- for these is asked for by nobody, and so it is not. In order, or a hash join would be as good; both
-- sides come out of an index in that order, so nothing is sorted.
FROM (SELECT {columns}
        FROM ({select}) AS looked_up
        LEFT JOIN ({joined}) AS joined USING ("{key}")
       WHERE ($4 IS NULL OR "{key}" > $4) AND ($5 IS NULL OR "{key}" <= $5)
       ORDER BY "{key}") AS source

-- name: explain
-- Whether the rows come out of an index in the order in which they are wanted: then a range of them
-- costs no more than its share.
EXPLAIN (FORMAT JSON) SELECT * {rows};

-- name: follow_index
-- For a range alone the planner would sort again what comes sorted, and with helpers at that.
-- A join walks along both indexes, though the planner may expect so few that it would compare all with all.
SELECT set_config('tallyport.enable_nestloop', current_setting('enable_nestloop'), true);
SET LOCAL enable_nestloop = off;
SET LOCAL enable_sort = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL max_parallel_workers_per_gather = 0;

-- name: follow_planner
-- For whatever is read whole.
SELECT set_config('enable_nestloop', current_setting('tallyport.enable_nestloop'), true);
SET LOCAL enable_sort TO DEFAULT;
SET LOCAL enable_bitmapscan TO DEFAULT;
SET LOCAL max_parallel_workers_per_gather TO DEFAULT;
