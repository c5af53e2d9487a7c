-- name: customers
-- In the order of their ids, which is the primary key's: stable, and without a sort. The last order
-- is looked up for each customer: so a week's customers of a store with ten million transactions do
-- not wait for all of these. For everybody at once see `last_orders`.
SELECT customer_id AS id, email, first_name, last_name, tax_id, is_anonymous,
       date_created, date_modified,
       (SELECT max(t.transaction_date)
          FROM transactions t
         WHERE t.store_id = $1 AND t.customer_id = c.customer_id
           AND t.status = 'completed' AND NOT t.is_test) AS last_order_date,
       billing_first_name, billing_last_name, billing_company, billing_address1, billing_address2,
       billing_city, billing_region, billing_postal_code, billing_country, billing_phone,
       shipping_first_name, shipping_last_name, shipping_company, shipping_address1, shipping_address2,
       shipping_city, shipping_region, shipping_postal_code, shipping_country, shipping_phone,
       is_plain
  FROM customers c
 WHERE store_id = $1 AND date_created BETWEEN $2 AND $3
 ORDER BY customer_id;

-- name: last_orders
-- Of all customers between two ids, as one walk along the index: where most of a store's customers are
-- wanted, that is a fraction of looking each of them up.
SELECT customer_id AS id, max(transaction_date) AS last_order_date
  FROM transactions
 WHERE store_id = $1 AND status = 'completed' AND NOT is_test
   AND customer_id IS NOT NULL
   AND ($4::text IS NULL OR customer_id > $4) AND ($5::text IS NULL OR customer_id <= $5)
   -- All files' arguments are given; this one does without these.
   AND ($2::timestamptz, $3::timestamptz) IS NOT NULL
 GROUP BY customer_id;

-- name: cuts
-- From the index alone, whatever the range of time: a tenth of the cost of looking at each row.
SELECT customer_id FROM customers
 WHERE store_id = $1 AND customer_id > coalesce($4, '')
   -- All files' arguments are given; this one does without these.
   AND ($2::timestamptz, $3::timestamptz) IS NOT NULL
 ORDER BY customer_id OFFSET $5 LIMIT 1;
