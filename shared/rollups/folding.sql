-- name: lock
-- The rollups that this transaction folds; another folder's are left to it.
SELECT store_id, register_id, rollup_id, grain, zone, zone_digest, columns, synced_version
  FROM rollups
 WHERE store_id = $1 AND register_id = $2 AND NOT is_rejected
   AND (synced_version < 0) = $3
   -- One that a question asked for once is not worth building.
   AND (synced_version >= 0 OR columns = '{}' OR asked >= $4)
   AND synced_version < (SELECT version FROM registers WHERE store_id = $1 AND register_id = $2)
                        + CASE WHEN synced_version < 0 THEN 1 ELSE 0 END
 ORDER BY rollup_id
   FOR UPDATE SKIP LOCKED;

-- name: version
-- Up to where to fold: a statement after the locks sees all that was committed up to here.
SELECT version FROM registers WHERE store_id = $1 AND register_id = $2;

-- name: extent
-- From when to when the tail reaches, inside of what rollups cover.
SELECT min(originated_at) AS first, max(originated_at) AS last, count(*) AS items
  FROM register_items
 WHERE store_id = $1 AND register_id = $2 AND version > $3 AND version <= $4
   AND originated_at >= $5 AND originated_at < $6;

-- name: advance
-- It holds everything up to this version now; the extremes too, if it held them before.
UPDATE rollups
   SET extremes_version = CASE extremes_version WHEN synced_version THEN $3 ELSE extremes_version END,
       synced_version = $3, rows_held = rows_held + $4, items_held = items_held + $5,
       first_bucket = least(first_bucket, $6), last_bucket = greatest(last_bucket, $7)
 WHERE store_id = $1 AND rollup_id = $2;

-- name: empty
-- Before it is built anew. Readers keep what they see until this commits.
DELETE FROM rollup_rows WHERE store_id = $1 AND rollup_id = $2;

-- name: reset
-- As if it had never been folded, with the zone's rules of today.
UPDATE rollups
   SET synced_version = -1, extremes_version = -1, rows_held = 0, items_held = 0, first_bucket = NULL,
       last_bucket = NULL, is_rejected = false, zone_digest = $3
 WHERE store_id = $1 AND rollup_id = $2;

-- name: reject
-- It would be no smaller than what it is made of.
UPDATE rollups SET is_rejected = true WHERE store_id = $1 AND rollup_id = $2;

-- name: lock_one
-- For a rebuild: nobody folds it meanwhile.
SELECT store_id, register_id, rollup_id, grain, zone, zone_digest, columns, synced_version,
       extremes_version = synced_version AS has_extremes
  FROM rollups WHERE store_id = $1 AND rollup_id = $2
   FOR UPDATE;

-- name: without_extremes
-- Those of a register that hold counts and sums only: filled before extremes were kept.
SELECT rollup_id FROM rollups
 WHERE store_id = $1 AND register_id = $2 AND NOT is_rejected AND synced_version >= 0
   AND extremes_version <> synced_version
 ORDER BY rollup_id;

-- name: behind
-- Registers with rollups that lack something, for whoever sweeps after a restart.
SELECT DISTINCT u.store_id, u.register_id
  FROM rollups u
  JOIN registers r USING (store_id, register_id)
 WHERE NOT u.is_rejected
   AND (u.synced_version < r.version OR u.extremes_version <> u.synced_version)
 LIMIT $1;
