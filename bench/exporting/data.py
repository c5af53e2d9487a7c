"""The rows: customers with 28 columns, half of them addresses, one store for each size; every
second one has an order.

Comes in: a connection, a store, a number. Goes out: rows in the product's own tables. What is in
them depends on their number alone.
"""

from __future__ import annotations

from shared.database.pool import Connection

DAY_SECONDS = 86_400.0
_INSERT = """
INSERT INTO customers
SELECT $1, 'c' || lpad(n::text, 9, '0'), 'customer' || n || '@example.com',
       (ARRAY['Anna', 'José', 'Miyu', 'Олена', 'Peter', 'Łukasz'])[1 + n % 6], 'Last, ' || n,
       CASE n % 3 WHEN 0 THEN 'DE' || n ELSE '' END, n % 4 = 0,
       '2020-01-01'::timestamptz + n * interval '10 seconds',
       '2020-01-01'::timestamptz + n * interval '12 seconds',
       'Anna', 'Last ' || n, 'Company ' || md5(n::text), n % 999 || ' Main Street', 'Floor "2"',
       'Springfield', 'OR', lpad((n % 99999)::text, 5, '0'), 'US', '+1 555 ' || n % 9999,
       'Anna', 'Last ' || n, '', n % 777 || ' Side Street', '', 'Łódź', 'OR', '97477', 'PL',
       '555 0100'
  FROM generate_series(1, $2::integer) AS n
"""

_INSERT_ORDERS = """
INSERT INTO transactions (
    store_id, transaction_id, customer_id, transaction_date, type, status, is_test, currency,
    total_items, total_discount, total_tax, total_shipping, total_order, revision, posted_lines)
SELECT $1, 't' || lpad(n::text, 9, '0'), 'c' || lpad(n::text, 9, '0'),
       '2022-01-01'::timestamptz + n * interval '10 seconds', 'sale', 'completed', false,
       'USD', 10, 0, 0, 0, 10, 1, 0
  FROM generate_series(2, $2::integer, 2) AS n
"""


async def insert(connection: Connection, store_id: int, rows: int) -> None:
    await connection.execute(_INSERT, store_id, rows, timeout=DAY_SECONDS)
    await connection.execute(_INSERT_ORDERS, store_id, rows, timeout=DAY_SECONDS)
