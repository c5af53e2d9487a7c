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
