-- name: register_totals
-- What the store's sales register holds in the range, by currency: how many lines, what they add up
-- to, and how much of it is what. Reversals are lines like any other. First by all that is asked
-- for, which is few groups, then by currency: cheaper than a filter for each line and sum.
SELECT currency, sum(items)::bigint AS lines, export_money(sum(amount), currency) AS amount,
       export_money(coalesce(sum(amount) FILTER (WHERE is_customers), 0), currency) AS amount_of_customers,
       export_money(coalesce(sum(amount) FILTER (WHERE line_type = 'item'), 0), currency) AS items,
       export_money(coalesce(-sum(amount) FILTER (WHERE line_type = 'discount'), 0), currency) AS discounts,
       export_money(coalesce(sum(amount) FILTER (WHERE line_type = 'tax'), 0), currency) AS tax,
       export_money(coalesce(sum(amount) FILTER (WHERE line_type = 'shipping'), 0), currency) AS shipping
  FROM (SELECT coalesce(meta5, '') AS currency, meta3 AS line_type,
               meta1 IS NOT NULL AS is_customers, count(*) AS items, sum(amount) AS amount
          FROM register_items
         WHERE store_id = $1 AND originated_at BETWEEN $2 AND $3
           AND register_id = (SELECT register_id FROM registers WHERE store_id = $1 AND is_sales)
         GROUP BY coalesce(meta5, ''), meta3, meta1 IS NOT NULL) AS kinds
 GROUP BY currency ORDER BY currency COLLATE "C";

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
