-- name: register_totals
-- What the store's sales register holds in the range, by currency: how many lines, what they add up
-- to, and how much of it is what. Reversals are lines like any other. They are counted in the SELECT
-- of the file that shows them. First by all that is asked for, which is few groups, then by currency:
-- cheaper than a filter for each line and sum.
SELECT currency, sum(items)::bigint AS lines, export_money(sum(amount), currency) AS amount,
       export_money(coalesce(sum(amount) FILTER (WHERE is_customers), 0), currency) AS amount_of_customers,
       export_money(coalesce(sum(amount) FILTER (WHERE line_type = 'item'), 0), currency) AS items,
       export_money(coalesce(-sum(amount) FILTER (WHERE line_type = 'discount'), 0), currency) AS discounts,
       export_money(coalesce(sum(amount) FILTER (WHERE line_type = 'tax'), 0), currency) AS tax,
       export_money(coalesce(sum(amount) FILTER (WHERE line_type = 'shipping'), 0), currency) AS shipping
  FROM (SELECT coalesce(currency, '') AS currency, line_type,
               customer_id IS NOT NULL AS is_customers, count(*) AS items, sum(amount) AS amount
          FROM ({lines}) AS lines
         GROUP BY coalesce(currency, ''), line_type, customer_id IS NOT NULL) AS kinds
 GROUP BY currency ORDER BY currency COLLATE "C";
