-- name: stores
-- One row.
INSERT INTO stores (store_id, name, timezone, currency, currency_digits)
VALUES ($1, 'S', 'UTC', 'GBP', 2);

-- name: users
-- One row.
INSERT INTO users (user_id, email) OVERRIDING SYSTEM VALUE
VALUES ($1, 'u' || $1::bigint);

-- name: memberships
-- One row.
INSERT INTO memberships (store_id, user_id)
VALUES ($1, $1);

-- name: tokens
-- One row.
INSERT INTO tokens (store_id, user_id, digest, prefix)
VALUES ($1, $1, sha256($1::bigint::text::bytea), 'tp_');

-- name: registers
-- One row.
INSERT INTO registers (store_id, register_id, name, is_sales)
VALUES ($1, $1, 'R', true);

-- name: register_items
-- One row.
INSERT INTO register_items (store_id, register_id, unique_key, amount, originated_at)
VALUES ($1, $1, 'k', 1, now());

-- name: rollups
-- One row.
INSERT INTO rollups (store_id, rollup_id, register_id, grain)
VALUES ($1, $1, $1, 'hour');

-- name: rollup_rows
-- One row.
INSERT INTO rollup_rows (store_id, rollup_id, bucket, items, amount)
VALUES ($1, $1, now(), 1, 1);

-- name: customers
-- One row.
INSERT INTO customers (store_id, customer_id, date_created, date_modified)
VALUES ($1, 'c', now(), now());

-- name: transactions
-- One row.
INSERT INTO transactions (store_id, transaction_id, transaction_date, type, status, is_test,
currency, total_items, total_discount, total_tax, total_shipping, total_order, revision,
posted_lines)
VALUES ($1, 't', now(), 'sale', 'completed', false, 'GBP', 1, 0, 0, 0, 1, 1, 1);

-- name: transaction_items
-- One row.
INSERT INTO transaction_items
VALUES ($1, 't', 1, 'sku', 'n', 'c', 1, 1, 1);

-- name: transaction_discounts
-- One row.
INSERT INTO transaction_discounts
VALUES ($1, 't', 1, 'code', 'n', 1);

-- name: transaction_payments
-- One row.
INSERT INTO transaction_payments
VALUES ($1, 't', 1, 'card', 1, now());

-- name: subscriptions
-- One row.
INSERT INTO subscriptions (store_id, subscription_id, customer_id, sku, name, quantity, price,
currency, frequency, start_date, next_transaction_date, is_active)
VALUES ($1, 's', 'c', 'sku', 'n', 1, 1, 'GBP', '1m', now(), now(), true);

-- name: reports
-- One row.
INSERT INTO reports (store_id, report_id, user_id, name, version, format, compress, timezone,
range_start, range_end, next_attempt_at)
VALUES ($1, $1, $1, 'customers', '1', 'csv', false, 'UTC', now() - interval '1 day', now(),
'infinity');

-- name: report_files
-- One row.
INSERT INTO report_files
VALUES ($1, $1, 1, 'f', 0, 0, repeat('0', 64));

-- name: report_uploads
-- One row.
INSERT INTO report_uploads (store_id, report_id, attempt, object_key)
VALUES ($1, $1, 1, 'k');

-- name: idempotency_keys
-- One row.
INSERT INTO idempotency_keys (store_id, user_id, key, fingerprint, report_id)
VALUES ($1, $1, 'k', sha256(''), $1);

-- name: outbox
-- One row.
INSERT INTO outbox (store_id, message_id, kind, exchange, routing_key, mandatory, body)
VALUES ($1, gen_random_uuid(), 'k', 'e', 'r', false, '');

-- name: dead_letter_actions
-- One row.
INSERT INTO dead_letter_actions (store_id, actor, action, letter_id, reason_code, reason, redrives,
body_bytes, body_sha256)
VALUES ($1, 'a', 'purge', 'l', 'c', 'r', 0, 0, '');
