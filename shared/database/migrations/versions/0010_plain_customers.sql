-- Whether no text of a customer is one that a spreadsheet would run (docs/reports.md), telephone
-- numbers aside, of which many are: then an export need not look at each. Looked at when it is
-- written, once, instead of by every export. Rewrites the table.

-- What begins with = + - @, a tab or a carriage return: 61 43 45 64 9 13, as a set of bits.
CREATE FUNCTION is_formula(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ascii(value) > 64 THEN false
                ELSE get_bit('\x002200000028002001'::bytea, ascii(value)) = 1 END;

ALTER TABLE customers ADD COLUMN is_plain boolean GENERATED ALWAYS AS (NOT (
    is_formula(customer_id) OR is_formula(email) OR is_formula(first_name) OR is_formula(last_name)
    OR is_formula(tax_id)
    OR is_formula(billing_first_name) OR is_formula(billing_last_name) OR is_formula(billing_company)
    OR is_formula(billing_address1) OR is_formula(billing_address2) OR is_formula(billing_city)
    OR is_formula(billing_region) OR is_formula(billing_postal_code) OR is_formula(billing_country)
    OR is_formula(shipping_first_name) OR is_formula(shipping_last_name) OR is_formula(shipping_company)
    OR is_formula(shipping_address1) OR is_formula(shipping_address2) OR is_formula(shipping_city)
    OR is_formula(shipping_region) OR is_formula(shipping_postal_code) OR is_formula(shipping_country)
)) STORED;

-- Who writes customers computes it.
GRANT EXECUTE ON FUNCTION is_formula TO tallyport_recorder;
