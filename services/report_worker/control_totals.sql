-- name: snapshot_moment
-- When the snapshot was taken; the first statement in it has remembered (copying.sql).
SELECT export_time(current_setting('tallyport.snapshot_at')::timestamptz);

-- name: told_totals
-- What a file's SELECT has told in this transaction, if it has.
SELECT current_setting($1, true);

-- name: rollup_totals
-- The register's lines and their sum once more, as a question would get them: from its totals by
-- quarter of an hour and by hour ($4 and $5: what rollups cover), where they are whole buckets; the
-- edges of the range and what is not folded yet from the items (docs/rollups.md). Milliseconds, but
-- it is what callers compare the report with.
WITH held AS (
    SELECT rollup_id, register_id, synced_version, grain, low, greatest(low, high) AS high
      FROM (SELECT u.*, date_bin(width, greatest($2::timestamptz, $4::timestamptz)
                                        + width - interval '1 microsecond', 'epoch'::timestamptz) AS low,
                   date_bin(width, least($3::timestamptz + interval '1 microsecond', $5::timestamptz),
                            'epoch'::timestamptz) AS high
              FROM rollups u
              JOIN registers r USING (store_id, register_id)
             CROSS JOIN LATERAL (SELECT CASE grain WHEN 'hour' THEN interval '1 hour'
                                                   ELSE interval '15 minutes' END AS width) AS grid
             WHERE u.store_id = $1 AND r.is_sales AND u.grain IN ('quarter', 'hour')
               AND u.columns = '{}' AND u.synced_version >= 0 AND NOT u.is_rejected) AS cut
)
SELECT h.grain, coalesce(sum(p.items), 0)::bigint AS lines, coalesce(sum(p.amount), 0) AS amount
  FROM held h
  LEFT JOIN LATERAL (
      SELECT items, amount FROM rollup_rows
       WHERE store_id = $1 AND rollup_id = h.rollup_id AND bucket >= h.low AND bucket < h.high
      UNION ALL
      SELECT 1, amount FROM register_items
       WHERE store_id = $1 AND register_id = h.register_id
         AND originated_at BETWEEN $2 AND $3 AND originated_at < h.low
      UNION ALL
      SELECT 1, amount FROM register_items
       WHERE store_id = $1 AND register_id = h.register_id
         AND originated_at BETWEEN h.high AND $3
      UNION ALL
      SELECT 1, amount FROM register_items
       WHERE store_id = $1 AND register_id = h.register_id AND version > h.synced_version
         AND originated_at >= h.low AND originated_at < h.high) AS p ON true
 GROUP BY h.grain;
