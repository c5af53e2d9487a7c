-- name: payment_methods_by_month
-- By when it was paid, not by when it was bought: the months of two reports never overlap.
SELECT month, method, currency, sum(payments)::bigint AS payment_count, sum(amount) AS amount
  FROM (SELECT d - extract(day FROM d)::integer + 1 AS month, method, currency, payments, amount
          FROM (SELECT p.paid_at::date AS d, p.method, t.currency,
                       count(*) AS payments, sum(p.amount) AS amount
                  FROM transaction_payments p
                  JOIN transactions t
                    ON t.store_id = p.store_id AND t.transaction_id = p.transaction_id
                 WHERE p.store_id = $1 AND p.paid_at BETWEEN $2 AND $3
                   AND t.status = 'completed' AND NOT t.is_test
                 GROUP BY d, p.method, t.currency) AS days) AS months
 GROUP BY month, method, currency
 ORDER BY month, method, currency COLLATE "C";
