-- name: items
-- The lines of the store's sales register, in the order of time, which is an index's. Only the
-- recorder writes there, so a key ends in the mark of a reversal if, and only if, it is one
-- (services/recorder/ledger.py).
SELECT unique_key, originated_at AS transaction_date, meta0 AS transaction_id, meta3 AS line_type,
       unique_key LIKE '% - VOID' AS is_reversal,
       meta1 AS customer_id, meta7 AS transaction_type, meta2 AS sku, description, meta6 AS category,
       meta9 AS coupon, meta4 AS country, meta8 AS payment_method, meta5 AS currency, amount
  FROM register_items
 WHERE store_id = $1 AND originated_at BETWEEN $2 AND $3
   AND register_id = (SELECT register_id FROM registers WHERE store_id = $1 AND is_sales)
 ORDER BY originated_at, unique_key;

-- name: cuts
-- From the index alone: what has the same moment is never cut in two.
SELECT originated_at FROM register_items
 WHERE store_id = $1 AND originated_at BETWEEN $2 AND $3
   AND register_id = (SELECT register_id FROM registers WHERE store_id = $1 AND is_sales)
   AND originated_at > coalesce($4::timestamptz, '-infinity')
 ORDER BY originated_at OFFSET $5 LIMIT 1;
