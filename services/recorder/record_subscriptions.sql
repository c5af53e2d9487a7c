-- name: prepare
-- What comes in waits in a table of the session, shaped like the one it is for.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_subscriptions
    (LIKE subscriptions INCLUDING DEFAULTS) ON COMMIT DELETE ROWS;

-- name: upsert
-- In the order of the ids, so that two writers of the same subscriptions wait in one direction
-- only. A row that is the same already is not touched and not returned. A row that was inserted
-- has no earlier version, which is what its xmax says.
WITH written AS (
    INSERT INTO subscriptions AS s (
        store_id, subscription_id, customer_id, sku, name, quantity, price, currency, frequency,
        start_date, next_transaction_date, end_date, is_active)
    SELECT store_id, subscription_id, customer_id, sku, name, quantity, price, currency, frequency,
           start_date, next_transaction_date, end_date, is_active
      FROM pg_temp.incoming_subscriptions
     ORDER BY subscription_id
    ON CONFLICT (store_id, subscription_id) DO UPDATE SET
        customer_id = excluded.customer_id,
        sku = excluded.sku,
        name = excluded.name,
        quantity = excluded.quantity,
        price = excluded.price,
        currency = excluded.currency,
        frequency = excluded.frequency,
        start_date = excluded.start_date,
        next_transaction_date = excluded.next_transaction_date,
        end_date = excluded.end_date,
        is_active = excluded.is_active,
        recorded_at = excluded.recorded_at
     WHERE (s.customer_id, s.sku, s.name, s.quantity, s.price, s.currency, s.frequency,
            s.start_date, s.next_transaction_date, s.end_date, s.is_active)
           IS DISTINCT FROM
           (excluded.customer_id, excluded.sku, excluded.name, excluded.quantity, excluded.price,
            excluded.currency, excluded.frequency, excluded.start_date,
            excluded.next_transaction_date, excluded.end_date, excluded.is_active)
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new) AS replaced
  FROM written;
