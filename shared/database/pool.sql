-- name: limit_statements
-- For the rest of the session: a server whose client has gone silent ends its statements itself.
SELECT set_config('statement_timeout', $1, false);

-- name: see_store
-- For the rest of the session, until it serves another one: row security shows the rows of this store.
SELECT set_config('tallyport.store_id', $1, false);

-- name: plan_statements
-- For the rest of the session, or until the next one needs the other way.
-- One that was made for a table as good as empty would read all of it when it has grown.
SELECT set_config('plan_cache_mode', $1, false), set_config('enable_seqscan', $2, false);
