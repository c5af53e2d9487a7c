-- name: plan_each_use
-- For joins with what comes in: the table holds one row now and ten thousand the next time.
-- Not for inserts: the check of each row's foreign key would be planned again for every row,
-- which doubles their cost.
SET LOCAL plan_cache_mode = force_custom_plan;

-- name: plan_once
-- Back to normal.
SET LOCAL plan_cache_mode = auto;

-- name: become_appender
-- Into a table with row security COPY does not work.
SET LOCAL ROLE tallyport_appender;

-- name: be_oneself
-- For everything else.
SET LOCAL ROLE NONE;
