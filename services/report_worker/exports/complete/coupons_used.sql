-- name: coupons_used
-- Each discount of each transaction in the range, in the order of the transactions.
SELECT t.transaction_id, t.transaction_date, t.customer_id, t.type AS transaction_type,
       t.status, t.is_test, t.status = 'completed' AND NOT t.is_test AS is_counted,
       d.code, d.name, t.currency, d.amount
  FROM transactions t
  JOIN transaction_discounts d ON d.store_id = t.store_id AND d.transaction_id = t.transaction_id
 WHERE t.store_id = $1 AND t.transaction_date BETWEEN $2 AND $3
 ORDER BY t.transaction_date, t.transaction_id, d.line;
