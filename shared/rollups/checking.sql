-- name: find
-- What is to be compared.
SELECT rollup_id, register_id, grain, zone, columns, synced_version,
       extremes_version = synced_version AS has_extremes
  FROM rollups WHERE store_id = $1 AND rollup_id = $2;

-- name: extent
-- From when to when the register's items reach, inside of what rollups cover.
SELECT min(originated_at) AS first, max(originated_at) AS last
  FROM register_items
 WHERE store_id = $1 AND register_id = $2 AND originated_at >= $3 AND originated_at < $4;
