-- name: enqueue
-- Promise to publish, in the transaction that makes it true, and wake the relays of all processes
-- when (and only when) it commits.
WITH promised AS (
    INSERT INTO outbox (store_id, message_id, kind, exchange, routing_key, mandatory, headers, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
)
SELECT pg_notify('tallyport_outbox', '');

-- name: take
-- The oldest promises that no other relay has in hand. They stay locked until they are published.
-- Those that cannot be delivered now must not stand in the way of the ones behind them.
SELECT store_id, outbox_id, message_id, kind, exchange, routing_key, mandatory, headers, body
  FROM outbox WHERE routing_key <> ALL ($2::text[]) ORDER BY outbox_id LIMIT $1
   FOR UPDATE SKIP LOCKED;

-- name: remove
-- Published and confirmed.
DELETE FROM outbox o
 USING unnest($1::bigint[], $2::bigint[]) AS done (store_id, outbox_id)
 WHERE o.store_id = done.store_id AND o.outbox_id = done.outbox_id;

-- name: depth
-- How much is waiting, and for how long.
SELECT count(*) AS depth, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS age
  FROM outbox;
