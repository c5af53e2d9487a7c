-- name: count_customers
-- How many customers there are in the range; counted no further than it matters.
SELECT count(*) AS written, 0 AS read FROM (
    SELECT 1 FROM customers WHERE store_id = $1 AND date_created BETWEEN $2 AND $3 LIMIT $4
) AS counted;

-- name: count_all_customers
-- How many customers the store has, and, as what has to be read for them, transactions: a lifetime is
-- older than any range (which is named because a parameter must have a type).
SELECT (SELECT count(*) FROM (
            SELECT 1 FROM customers WHERE store_id = $1 LIMIT $4) AS counted) AS written,
       (SELECT count(*) FROM (
            SELECT 1 FROM transactions WHERE store_id = $1 LIMIT $4) AS counted) AS read
 WHERE $2::timestamptz <= $3::timestamptz;

-- name: count_lines
-- Likewise, how many rows the large tables of a complete report have: lines of the sales register,
-- transactions, coupons. The others are few rows made of these.
SELECT (SELECT count(*) FROM (
            SELECT 1 FROM register_items i
             WHERE i.store_id = $1 AND i.originated_at BETWEEN $2 AND $3
               AND i.register_id = (SELECT register_id FROM registers WHERE store_id = $1 AND is_sales)
             LIMIT $4) AS lines)
     + (SELECT count(*) FROM (
            SELECT 1 FROM transactions WHERE store_id = $1 AND transaction_date BETWEEN $2 AND $3
             LIMIT $4) AS bought)
     + (SELECT count(*) FROM (
            SELECT 1 FROM transactions t
              JOIN transaction_discounts d ON d.store_id = t.store_id AND d.transaction_id = t.transaction_id
             WHERE t.store_id = $1 AND t.transaction_date BETWEEN $2 AND $3
             LIMIT $4) AS coupons) AS written, 0 AS read;

-- name: limit_lock_wait
-- A second request with the same key waits for the first, but not for ever.
SET LOCAL lock_timeout = '2s';

-- name: limit_estimate
-- Counting only chooses a queue: no report waits long for it, least of all for somebody's lock.
SET LOCAL lock_timeout = '200ms';
SET LOCAL statement_timeout = '1s';
