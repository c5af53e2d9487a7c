-- name: customers_ltv
-- All that ever counted for a customer, by currency, in the order of their ids. What counts is a
-- completed transaction that is no test, as in the sales register. The full join keeps customers who
-- have bought nothing yet, and what was bought by customers that the store has not sent.
WITH bought AS (
    SELECT customer_id, currency,
           min(transaction_date) AS first_transaction_date,
           max(transaction_date) AS last_transaction_date,
           count(*) AS transaction_count,
           count(*) FILTER (WHERE type = 'sale') AS sale_count,
           sum(total_items) FILTER (WHERE type = 'sale') AS gross,
           sum(total_discount) FILTER (WHERE type = 'sale') AS discounts,
           sum(total_tax) FILTER (WHERE type = 'sale') AS tax,
           sum(total_shipping) FILTER (WHERE type = 'sale') AS shipping,
           sum(total_order) FILTER (WHERE type = 'sale') AS sales,
           sum(total_order) FILTER (WHERE type <> 'sale') AS refunds,
           sum(total_order) AS lifetime_value,
           sum(total_order) FILTER (WHERE transaction_date BETWEEN $2 AND $3) AS in_range
      FROM transactions
     WHERE store_id = $1 AND customer_id IS NOT NULL AND status = 'completed' AND NOT is_test
     GROUP BY customer_id, currency
), known AS (
    SELECT customer_id, email, first_name, last_name FROM customers WHERE store_id = $1
), listed AS (
    SELECT customer_id AS id, email, first_name, last_name,
           coalesce(currency, (SELECT currency FROM stores WHERE store_id = $1)) AS currency,
           first_transaction_date, last_transaction_date,
           coalesce(transaction_count, 0) AS transaction_count,
           coalesce(sale_count, 0) AS sale_count,
           coalesce(gross, 0) AS gross, coalesce(discounts, 0) AS discounts,
           coalesce(tax, 0) AS tax, coalesce(shipping, 0) AS shipping,
           coalesce(refunds, 0) AS refunds, coalesce(lifetime_value, 0) AS lifetime_value,
           -- The quotient gets twenty decimals, so that what lies half-way is seen to.
           coalesce((sales + 0e-20) / nullif(sale_count, 0), 0) AS average,
           coalesce(in_range, 0) AS lifetime_value_in_range
      FROM known FULL JOIN bought USING (customer_id)
)
SELECT id, email, first_name, last_name, currency, first_transaction_date, last_transaction_date,
       transaction_count, sale_count, gross, discounts, tax, shipping, refunds, lifetime_value,
       round_money(average, currency) AS average_order_value, lifetime_value_in_range
  FROM listed
 ORDER BY id, currency COLLATE "C";
