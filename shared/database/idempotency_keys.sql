-- name: insert_idempotency_key
-- The first to come gets the row; a second one waits here until the first has committed.
INSERT INTO idempotency_keys (store_id, user_id, key, fingerprint, report_id)
VALUES ($1, $2, $3, $4, 0)
ON CONFLICT DO NOTHING
RETURNING key;

-- name: find_idempotency_key
-- What was answered to this key.
SELECT fingerprint, report_id, status, body FROM idempotency_keys
 WHERE store_id = $1 AND user_id = $2 AND key = $3;

-- name: complete_idempotency_key
-- The answer to give again.
UPDATE idempotency_keys SET report_id = $4, status = $5, body = $6
 WHERE store_id = $1 AND user_id = $2 AND key = $3;

-- name: expire_idempotency_keys
-- A key is remembered for a day.
DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours';
