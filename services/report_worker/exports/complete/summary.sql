-- name: summary
-- Totals by period; $4 is day, week (from Sunday, and named by it) or month. A transaction belongs
-- to the local date that the store's clocks showed, which is what makes days of 23 and 25 hours come
-- out right; where clocks were set back across midnight that can be the day before the range's
-- first, hence least and greatest. Summed by date first: that is one pass, and the rest is small.
WITH dates AS (
    SELECT transaction_date::date AS d, currency, type = 'sale' AS is_sale, status, is_test,
           count(*) AS transactions, sum(total_items) AS items, sum(total_discount) AS discounts,
           sum(total_tax) AS tax, sum(total_shipping) AS shipping, sum(total_order) AS total
      FROM transactions
     WHERE store_id = $1 AND transaction_date BETWEEN $2 AND $3
     GROUP BY d, currency, is_sale, status, is_test
), totals AS (
    SELECT CASE $4::text WHEN 'week' THEN d - extract(dow FROM d)::integer
                         WHEN 'month' THEN d - extract(day FROM d)::integer + 1
                         ELSE d END AS period,
           currency,
           sum(transactions) FILTER (WHERE is_counted) AS transaction_count,
           sum(transactions) FILTER (WHERE is_counted AND is_sale) AS sale_count,
           sum(transactions) FILTER (WHERE is_counted AND NOT is_sale) AS refund_count,
           sum(transactions) FILTER (WHERE status = 'cancelled' AND NOT is_test) AS cancelled_count,
           sum(transactions) FILTER (WHERE status = 'voided' AND NOT is_test) AS voided_count,
           sum(transactions) FILTER (WHERE is_test) AS test_count,
           sum(items) FILTER (WHERE is_counted AND is_sale) AS gross,
           sum(discounts) FILTER (WHERE is_counted AND is_sale) AS discounts,
           sum(tax) FILTER (WHERE is_counted AND is_sale) AS tax,
           sum(shipping) FILTER (WHERE is_counted AND is_sale) AS shipping,
           sum(total) FILTER (WHERE is_counted AND NOT is_sale) AS refunds,
           sum(total) FILTER (WHERE is_counted) AS total
      FROM (SELECT *, status = 'completed' AND NOT is_test AS is_counted FROM dates) AS marked
     GROUP BY period, currency
), periods AS (
    SELECT generate_series(first::timestamp, last::timestamp, ('1 ' || $4::text)::interval)::date AS period
      FROM (SELECT least((SELECT min(period) FROM totals),
                         CASE $4::text WHEN 'week' THEN a - extract(dow FROM a)::integer
                                       WHEN 'month' THEN a - extract(day FROM a)::integer + 1
                                       ELSE a END) AS first,
                   greatest((SELECT max(period) FROM totals), z) AS last
              FROM (SELECT $2::timestamptz::date AS a, $3::timestamptz::date AS z) AS ends) AS extent
)
SELECT period, currency,
       coalesce(transaction_count, 0)::bigint AS transaction_count,
       coalesce(sale_count, 0)::bigint AS sale_count,
       coalesce(refund_count, 0)::bigint AS refund_count,
       coalesce(cancelled_count, 0)::bigint AS cancelled_count,
       coalesce(voided_count, 0)::bigint AS voided_count,
       coalesce(test_count, 0)::bigint AS test_count,
       coalesce(gross, 0) AS gross, coalesce(discounts, 0) AS discounts, coalesce(tax, 0) AS tax,
       coalesce(shipping, 0) AS shipping, coalesce(refunds, 0) AS refunds, coalesce(total, 0) AS total
  FROM periods
 CROSS JOIN (SELECT DISTINCT currency FROM totals) AS currencies
  LEFT JOIN totals USING (period, currency)
 ORDER BY period, currency COLLATE "C";
