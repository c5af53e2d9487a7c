-- name: count_customers
-- How many customers there are in the range; counted no further than it matters.
SELECT count(*) FROM (
    SELECT 1 FROM customers WHERE store_id = $1 AND date_created BETWEEN $2 AND $3 LIMIT $4
) AS counted;

-- name: count_lines
-- How many lines the store's sales register has in the range, likewise.
SELECT count(*) FROM (
    SELECT 1 FROM register_items i
     WHERE i.store_id = $1 AND i.originated_at BETWEEN $2 AND $3
       AND i.register_id = (SELECT register_id FROM registers WHERE store_id = $1 AND is_sales)
     LIMIT $4
) AS counted;

-- name: limit_lock_wait
-- A second request with the same key waits for the first, but not for ever.
SET LOCAL lock_timeout = '2s';
