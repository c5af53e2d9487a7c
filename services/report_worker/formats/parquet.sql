-- name: moment
-- As UTC, whatever the session's zone: Arrow reads no offsets of seconds, which zones once had.
{value} AT TIME ZONE 'UTC'

-- name: number
-- What fits in 38 digits, 10 of them decimals; anything else is no number to Arrow, and an error.
CASE WHEN abs({value}) < 1e28 AND min_scale({value}::numeric) <= 10 THEN ({value})::text
     WHEN {value} IS NOT NULL THEN 'does not fit' END

-- name: wide_number
-- The same for 76 digits, written with all 38 decimals, so that nothing is left to be scaled.
CASE WHEN abs({value}) < 1e38 AND min_scale({value}::numeric) <= 38 THEN round({value}, 38)::text
     WHEN {value} IS NOT NULL THEN 'does not fit' END
