-- Money in exports. Single expressions again (see 0002): the planner inlines them.

-- ISO 4217: the decimals of a currency's minor unit, which are 2 for most. The same list is in
-- shared/database/accounts.py, for what is recorded; a test compares them. One long list first,
-- because a long one is looked up by hash: three short ones cost three times as much.
CREATE FUNCTION currency_digits(currency text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF',
                                  'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF',
                                  'BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND', 'CLF', 'UYW')
                THEN CASE WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
                          WHEN currency IN ('CLF', 'UYW') THEN 4
                          ELSE 0 END
                ELSE 2 END;

-- An amount as it is shown: with the digits of its currency, and with more where it has more. An
-- export never rounds what was recorded, or its sums would not be those of the ledger.
CREATE FUNCTION export_money(amount numeric, currency text) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN scale(amount) = currency_digits(currency) THEN amount
                ELSE round(amount, greatest(currency_digits(currency), min_scale(amount))) END;

-- What is computed here and was not recorded (an average, a forecast), rounded to the digits of its
-- currency, halves to the even neighbour: as the recorder rounds what it computes.
CREATE FUNCTION round_money(amount numeric, currency text) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN 2 * abs(amount - trunc(amount, currency_digits(currency)))
                     = 10::numeric ^ -currency_digits(currency)
                 AND trunc(amount, currency_digits(currency)) * 10::numeric ^ currency_digits(currency) % 2 = 0
                THEN trunc(amount, currency_digits(currency))
                ELSE round(amount, currency_digits(currency)) END;

-- The same guard as before (0002), cheaper: nearly every cell begins with a letter or a digit, and
-- eleven cells of text in a row cost 40 % of the row's time.
CREATE OR REPLACE FUNCTION export_text(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ascii(value) > 64 THEN value
                WHEN ascii(value) BETWEEN 46 AND 60 THEN value
                WHEN ascii(value) IN (61, 43, 45, 64, 9, 13) THEN '''' || value
                ELSE coalesce(value, '') END;
