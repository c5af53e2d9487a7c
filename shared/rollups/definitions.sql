-- name: ensure
-- A rollup that is not there yet; it holds nothing until it is folded.
INSERT INTO rollups (store_id, register_id, grain, zone, zone_digest, columns)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (store_id, register_id, grain, zone, columns) DO NOTHING
RETURNING rollup_id;

-- name: of_register
-- All rollups of a register, coarse ones first.
SELECT rollup_id, register_id, grain, zone, zone_digest, columns, synced_version,
       extremes_version = synced_version AS has_extremes, is_rejected, rows_held, items_held, first_bucket, last_bucket
  FROM rollups
 WHERE store_id = $1 AND register_id = $2
 ORDER BY grain, rollup_id;

-- name: note_demand
-- A question would have liked this rollup. How often so far, in the last hours.
UPDATE rollups
   SET asked = CASE WHEN asked_at > recently.began THEN asked + $3 ELSE $3 END, asked_at = now()
  FROM (SELECT now() - interval '6 hours' AS began) AS recently
 WHERE store_id = $1 AND rollup_id = $2
RETURNING asked;

-- name: remove
-- Its rows go with it.
DELETE FROM rollups WHERE store_id = $1 AND rollup_id = $2;

-- name: any_one
-- One at random, of those that can be compared with their items in a short time.
SELECT store_id, rollup_id FROM rollups
 WHERE synced_version >= 0 AND NOT is_rejected AND items_held BETWEEN 1 AND $1
 ORDER BY random() LIMIT 1;
