-- name: subscription_forecast
-- Twelve months from the first day that begins at or after the range's end. A subscription is due on
-- its next date and then at every step of its frequency. Steps of months are taken from where the
-- subscription began, all at once, if that leads to its next date: from the 31st of January on, the
-- 28th of February is followed by the 31st of March. Otherwise they are taken from the next date. Of
-- the steps before the twelve months only enough are made to be sure of the first one in them. (The
-- range's start does not matter; it is named because a parameter must have a type.)
WITH ahead AS (
    SELECT first, (first + interval '12 months')::date AS behind
      FROM (SELECT CASE WHEN local = local::date THEN local::date ELSE local::date + 1 END AS first
              FROM (SELECT $3::timestamptz AT TIME ZONE current_setting('timezone') AS local
                     WHERE $2::timestamptz IS NOT NULL) AS ends) AS day
), standing AS (
    SELECT subscription_id, sku, name, currency, quantity, round_money(quantity * price, currency) AS amount,
           next_transaction_date AS next, end_date, start_date,
           CASE right(frequency, 1) WHEN 'm' THEN n WHEN 'y' THEN 12 * n ELSE 0 END AS months,
           CASE right(frequency, 1) WHEN 'd' THEN n WHEN 'w' THEN 7 * n ELSE 0 END AS days,
           12 * (extract(year FROM next_transaction_date) - extract(year FROM start_date))::integer
             + (extract(month FROM next_transaction_date) - extract(month FROM start_date))::integer AS since
      FROM (SELECT *, left(frequency, -1)::integer AS n FROM subscriptions
             WHERE store_id = $1 AND is_active) AS active
), stepped AS MATERIALIZED (
    SELECT *,
           months > 0 AND since > 0 AND since % nullif(months, 0) = 0
             AND (start_date + make_interval(months => since))::date = next AS is_regular,
           CASE WHEN days > 0 THEN (first - next) / days
                ELSE months_to_first / months END - 1 AS fewest,
           CASE WHEN days > 0 THEN (behind - next) / days
                ELSE (months_to_first + 12) / months END + 1 AS most
      FROM (SELECT *, 12 * (extract(year FROM first) - extract(year FROM next))::integer
                      + (extract(month FROM first) - extract(month FROM next))::integer AS months_to_first
              FROM standing, ahead) AS s
), due AS MATERIALIZED (
    SELECT subscription_id, sku, name, currency, quantity, amount,
           (CASE WHEN is_regular THEN start_date + make_interval(months => since + step * months)
                 ELSE next + make_interval(months => step * months, days => step * days) END)::date AS d,
           first, behind, end_date
      FROM stepped, generate_series(greatest(fewest, 0), most) AS step
)
SELECT d - extract(day FROM d)::integer + 1 AS month, sku, max(name COLLATE "C") AS name, currency,
       count(DISTINCT subscription_id) AS subscription_count, count(*) AS transaction_count,
       trim_scale(sum(quantity)) AS quantity, sum(amount) AS amount
  FROM due
 WHERE d >= first AND d < behind AND (end_date IS NULL OR d <= end_date)
 GROUP BY month, sku, currency
 ORDER BY month, sku, currency COLLATE "C";
