-- name: may_ask
-- Whoever could ask over HTTP: a member of the store, or a user with a service token that is valid
-- and may write.
SELECT EXISTS (SELECT 1 FROM memberships WHERE store_id = $1 AND user_id = $2)
    OR may_write_everywhere($2);
