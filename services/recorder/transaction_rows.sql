-- name: prepare
-- What comes in waits in a table of the session, so that one statement can tell new from known.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_transactions (
    transaction_id   text COLLATE "C" NOT NULL,
    customer_id      text COLLATE "C",
    transaction_date timestamptz NOT NULL,
    type             text NOT NULL,
    status           text NOT NULL,
    is_test          boolean NOT NULL,
    currency         text NOT NULL,
    country          text NOT NULL,
    -- Text: the driver encodes a decimal for the wire at twice the cost of its text.
    total_items      text NOT NULL,
    total_discount   text NOT NULL,
    total_tax        text NOT NULL,
    total_shipping   text NOT NULL,
    total_order      text NOT NULL,
    posted_lines     integer NOT NULL
) ON COMMIT DELETE ROWS;

-- name: insert_new
-- In the order of the ids, so that two writers of the same transactions wait in one direction
-- only. What is not returned is there already, committed.
INSERT INTO transactions (store_id, transaction_id, customer_id, transaction_date, type, status,
                          is_test, currency, country, total_items, total_discount, total_tax,
                          total_shipping, total_order, revision, posted_lines)
SELECT $1, transaction_id, customer_id, transaction_date, type, status,
       is_test, currency, country, total_items::numeric, total_discount::numeric,
       total_tax::numeric, total_shipping::numeric, total_order::numeric, 1, posted_lines
  FROM pg_temp.incoming_transactions
 ORDER BY transaction_id
ON CONFLICT (store_id, transaction_id) DO NOTHING
RETURNING transaction_id;

-- name: lock
-- What is there, held until the commit, so that of two replacements the second sees the first.
-- In the order of the ids, as above.
SELECT transaction_id, customer_id, transaction_date, type, status, is_test, currency, country,
       total_tax, total_shipping, revision, posted_lines
  FROM transactions
 WHERE store_id = $1 AND transaction_id = ANY ($2::text[])
 ORDER BY transaction_id
   FOR UPDATE;

-- name: items
-- The lines of what is there.
SELECT transaction_id, sku, name, category, quantity, price, amount, subscription_id
  FROM transaction_items
 WHERE store_id = $1 AND transaction_id = ANY ($2::text[])
 ORDER BY transaction_id, line;

-- name: discounts
-- The coupons of what is there.
SELECT transaction_id, code, name, amount
  FROM transaction_discounts
 WHERE store_id = $1 AND transaction_id = ANY ($2::text[])
 ORDER BY transaction_id, line;

-- name: payments
-- The payments of what is there.
SELECT transaction_id, method, amount, paid_at
  FROM transaction_payments
 WHERE store_id = $1 AND transaction_id = ANY ($2::text[])
 ORDER BY transaction_id, line;

-- name: replace
-- The next revision of each. Its lines in the ledger bear the revision's number, and so never
-- the key of a line that was there before.
UPDATE transactions t
   SET customer_id = i.customer_id, transaction_date = i.transaction_date, type = i.type,
       status = i.status, is_test = i.is_test, currency = i.currency, country = i.country,
       total_items = i.total_items::numeric, total_discount = i.total_discount::numeric,
       total_tax = i.total_tax::numeric, total_shipping = i.total_shipping::numeric,
       total_order = i.total_order::numeric, revision = t.revision + 1,
       posted_lines = i.posted_lines, recorded_at = now()
  FROM pg_temp.incoming_transactions i
 WHERE t.store_id = $1 AND t.transaction_id = ANY ($2::text[])
   AND i.transaction_id = t.transaction_id;

-- name: delete_items
-- Replaced as a whole; the ledger remembers.
DELETE FROM transaction_items WHERE store_id = $1 AND transaction_id = ANY ($2::text[]);

-- name: delete_discounts
-- Replaced as a whole; the ledger remembers.
DELETE FROM transaction_discounts WHERE store_id = $1 AND transaction_id = ANY ($2::text[]);

-- name: delete_payments
-- Replaced as a whole; the ledger remembers.
DELETE FROM transaction_payments WHERE store_id = $1 AND transaction_id = ANY ($2::text[]);
