-- name: plan_customers
-- How many customers the planner expects in the range.
EXPLAIN (FORMAT JSON)
SELECT 1 FROM customers WHERE store_id = $1 AND date_created BETWEEN $2 AND $3;

-- name: plan_lines
-- How many lines the planner expects in the store's sales register in the range.
EXPLAIN (FORMAT JSON)
SELECT 1 FROM register_items i JOIN registers r USING (store_id, register_id)
 WHERE i.store_id = $1 AND r.is_sales AND i.originated_at BETWEEN $2 AND $3;

-- name: limit_lock_wait
-- A second request with the same key waits for the first, but not for ever.
SET LOCAL lock_timeout = '5s';
