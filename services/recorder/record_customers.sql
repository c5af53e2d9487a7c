-- name: prepare
-- What comes in waits in a table of the session, shaped like the one it is for.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_customers (LIKE customers) ON COMMIT DELETE ROWS;

-- name: upsert
-- In the order of the ids, so that two writers of the same customers wait in one direction only.
-- A row that is the same already is not touched and not returned. A row that was inserted has no
-- earlier version, which is what its xmax says.
WITH written AS (
    INSERT INTO customers AS c (
        store_id, customer_id, email, first_name, last_name, tax_id, is_anonymous,
        date_created, date_modified,
        billing_first_name, billing_last_name, billing_company, billing_address1,
        billing_address2, billing_city, billing_region, billing_postal_code, billing_country,
        billing_phone,
        shipping_first_name, shipping_last_name, shipping_company, shipping_address1,
        shipping_address2, shipping_city, shipping_region, shipping_postal_code,
        shipping_country, shipping_phone)
    SELECT store_id, customer_id, email, first_name, last_name, tax_id, is_anonymous,
           date_created, date_modified,
           billing_first_name, billing_last_name, billing_company, billing_address1,
           billing_address2, billing_city, billing_region, billing_postal_code, billing_country,
           billing_phone,
           shipping_first_name, shipping_last_name, shipping_company, shipping_address1,
           shipping_address2, shipping_city, shipping_region, shipping_postal_code,
           shipping_country, shipping_phone
      FROM pg_temp.incoming_customers
     ORDER BY customer_id
    ON CONFLICT (store_id, customer_id) DO UPDATE SET
        email = excluded.email,
        first_name = excluded.first_name,
        last_name = excluded.last_name,
        tax_id = excluded.tax_id,
        is_anonymous = excluded.is_anonymous,
        date_created = excluded.date_created,
        date_modified = excluded.date_modified,
        billing_first_name = excluded.billing_first_name,
        billing_last_name = excluded.billing_last_name,
        billing_company = excluded.billing_company,
        billing_address1 = excluded.billing_address1,
        billing_address2 = excluded.billing_address2,
        billing_city = excluded.billing_city,
        billing_region = excluded.billing_region,
        billing_postal_code = excluded.billing_postal_code,
        billing_country = excluded.billing_country,
        billing_phone = excluded.billing_phone,
        shipping_first_name = excluded.shipping_first_name,
        shipping_last_name = excluded.shipping_last_name,
        shipping_company = excluded.shipping_company,
        shipping_address1 = excluded.shipping_address1,
        shipping_address2 = excluded.shipping_address2,
        shipping_city = excluded.shipping_city,
        shipping_region = excluded.shipping_region,
        shipping_postal_code = excluded.shipping_postal_code,
        shipping_country = excluded.shipping_country,
        shipping_phone = excluded.shipping_phone
     WHERE c.* IS DISTINCT FROM excluded.*
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new) AS replaced
  FROM written;
