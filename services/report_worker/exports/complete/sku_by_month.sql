-- name: sku_by_month
-- What was sold of each article in each month, less what came back. An article that has had several
-- names bears one of them, always the same.
SELECT d - extract(day FROM d)::integer + 1 AS month, sku, max(name COLLATE "C") AS name, currency,
       count(*) AS line_count, trim_scale(sum(quantity)) AS quantity, sum(amount) AS amount
  FROM (SELECT t.transaction_date::date AS d, i.sku, i.name, t.currency, i.quantity, i.amount
          FROM transactions t
          JOIN transaction_items i
            ON i.store_id = t.store_id AND i.transaction_id = t.transaction_id
         WHERE t.store_id = $1 AND t.transaction_date BETWEEN $2 AND $3
           AND t.status = 'completed' AND NOT t.is_test) AS sold
 GROUP BY month, sku, currency
 ORDER BY month, sku, currency COLLATE "C";
