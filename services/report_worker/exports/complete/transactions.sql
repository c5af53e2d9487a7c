-- name: transactions
-- As they are now, in the order of time, which is an index's: rows flow as they are read.
SELECT transaction_id AS id, customer_id, transaction_date, type, status, is_test,
       status = 'completed' AND NOT is_test AS is_counted,
       currency, country, total_items, total_discount, total_tax, total_shipping, total_order, revision
  FROM transactions
 WHERE store_id = $1 AND transaction_date BETWEEN $2 AND $3
 ORDER BY transaction_date, transaction_id;

-- name: cuts
-- From the index alone: what has the same moment is never cut in two.
SELECT transaction_date FROM transactions
 WHERE store_id = $1 AND transaction_date BETWEEN $2 AND $3
   AND transaction_date > coalesce($4::timestamptz, '-infinity')
 ORDER BY transaction_date OFFSET $5 LIMIT 1;
