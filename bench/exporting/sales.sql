-- name: sold
-- What everything else is made of: $1 transactions over two years, some of them refunds, in two
-- currencies, some of them tests or voided; two items each.
CREATE TEMPORARY TABLE sold AS
SELECT n, 't' || lpad(n::text, 9, '0') AS transaction_id,
       CASE WHEN n % 7 > 0 THEN 'c' || lpad((n % 100000)::text, 9, '0') END AS customer_id,
       '2020-01-02Z'::timestamptz + n * (interval '725 days' / {transactions}) AS moment,
       CASE WHEN n % 25 > 0 THEN 'sale' ELSE 'refund' END AS type,
       CASE n % 50 WHEN 7 THEN 'voided' WHEN 8 THEN 'cancelled' ELSE 'completed' END AS status,
       n % 100 = 9 AS is_test,
       n % 50 NOT IN (7, 8) AND n % 100 <> 9 AS is_counted,
       CASE WHEN n % 10 > 0 THEN 'USD' ELSE 'EUR' END AS currency,
       (ARRAY['US', 'DE', 'PL', 'MX'])[1 + n % 4] AS country,
       (ARRAY['card', 'transfer', 'wallet'])[1 + n % 3] AS method,
       CASE WHEN n % 25 > 0 THEN 1 ELSE -1 END AS sign,
       1 + n % 3 AS quantity,
       0.01 * (500 + n * 37 % 9000) AS price1, 0.01 * (700 + n * 91 % 5000) AS price2,
       CASE WHEN n % 4 = 0 THEN 1.50 ELSE 0.00 END AS discount,
       0.01 * (100 + n % 400) AS tax,
       CASE WHEN n % 5 > 0 THEN 4.90 ELSE 0.00 END AS shipping
  FROM generate_series(1::bigint, {transactions}) AS n;

-- name: transactions
-- Their totals.
INSERT INTO transactions (store_id, transaction_id, customer_id, transaction_date, type, status, is_test,
                          currency, country, total_items, total_discount, total_tax, total_shipping,
                          total_order, revision, posted_lines)
SELECT $1, transaction_id, customer_id, moment, type, status, is_test, currency, country,
       sign * quantity * (price1 + price2), sign * discount, sign * tax, sign * shipping,
       sign * (quantity * (price1 + price2) - discount + tax + shipping), 1,
       CASE WHEN is_counted THEN 3 + (discount > 0)::integer + (shipping > 0)::integer ELSE 0 END
  FROM sold;

-- name: items
-- Two a transaction, of 2,000 articles.
INSERT INTO transaction_items (store_id, transaction_id, line, sku, name, category, quantity, price, amount)
SELECT $1, transaction_id, line, 'sku' || (n * line) % 2000, 'Article ' || (n * line) % 2000,
       'Category ' || (n * line) % 20, sign * quantity, price, sign * quantity * price
  FROM sold, LATERAL (VALUES (1, price1), (2, price2)) AS lines (line, price);

-- name: discounts
-- A coupon in every fourth.
INSERT INTO transaction_discounts (store_id, transaction_id, line, code, name, amount)
SELECT $1, transaction_id, 1, 'CODE' || n % 30, 'Coupon ' || n % 30, sign * discount
  FROM sold WHERE discount > 0;

-- name: payments
-- One a transaction, an hour later.
INSERT INTO transaction_payments (store_id, transaction_id, line, method, amount, paid_at)
SELECT $1, transaction_id, 1, method,
       sign * (quantity * (price1 + price2) - discount + tax + shipping), moment + interval '1 hour'
  FROM sold;

-- name: subscriptions
-- One for every hundred transactions.
INSERT INTO subscriptions (store_id, subscription_id, customer_id, sku, name, quantity, price, currency,
                           frequency, start_date, next_transaction_date, is_active)
SELECT $1, 's' || n, 'c' || n, 'sku' || n % 2000, 'Article ' || n % 2000, 1 + n % 3, price1, currency,
       CASE WHEN n % 200 = 0 THEN '1m' ELSE '2w' END, date '2021-01-01' + (n % 28)::integer,
       date '2022-01-01' + (n % 28)::integer, true
  FROM sold WHERE n % 100 = 0;

-- name: register_items
-- What the recorder posts of them to the sales register.
INSERT INTO register_items (store_id, register_id, unique_key, amount, originated_at, description,
                            meta0, meta1, meta2, meta3, meta4, meta5, meta6, meta7, meta8, meta9)
SELECT $1, $2, transaction_id || '/1/' || row_number() OVER (PARTITION BY n ORDER BY place),
       sign * amount, moment, description, transaction_id, customer_id, sku, kind, country, currency,
       category, type, method, coupon
  FROM sold, LATERAL (VALUES
       (1, 'item', quantity * price1, 'Article ' || n % 2000, 'sku' || n % 2000, 'Category ' || n % 20, NULL),
       (2, 'item', quantity * price2, 'Article ' || 2 * n % 2000, 'sku' || 2 * n % 2000,
        'Category ' || 2 * n % 20, NULL),
       (3, 'discount', -discount, 'Coupon ' || n % 30, NULL, NULL, 'CODE' || n % 30),
       (4, 'tax', tax, 'Tax', NULL, NULL, NULL),
       (5, 'shipping', shipping, 'Shipping', NULL, NULL, NULL)
       ) AS lines (place, kind, amount, description, sku, category, coupon)
 WHERE is_counted AND amount <> 0;

-- name: forget
-- The next store has its own.
DROP TABLE sold;
