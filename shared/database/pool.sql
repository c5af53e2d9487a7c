-- name: limit_statements
-- For the rest of the session: a server whose client has gone silent ends its statements itself.
SELECT set_config('statement_timeout', $1, false);
