-- name: insert_store
-- A tenant.
INSERT INTO stores (name, timezone, currency, currency_digits) VALUES ($1, $2, $3, $4)
RETURNING store_id, name, timezone, currency, currency_digits;

-- name: find_store
-- Its zone and its money, which everything of the store is shown in.
SELECT store_id, name, timezone, currency, currency_digits FROM stores WHERE store_id = $1;

-- name: list_stores
-- For the operator.
SELECT store_id, name, timezone, currency, currency_digits FROM stores ORDER BY store_id;

-- name: insert_user
-- A person, or the system that a service token belongs to.
INSERT INTO users (email, name) VALUES ($1, $2) RETURNING user_id, email, name;

-- name: find_user
-- A user as seen by somebody of a store: a member of it, or whoever has asked for one of its reports
-- (with a service token, or before leaving), for the links of those lead here.
SELECT u.user_id, u.email, u.name
  FROM users u
 WHERE u.user_id = $2
   AND (EXISTS (SELECT 1 FROM memberships m WHERE m.store_id = $1 AND m.user_id = $2)
        OR EXISTS (SELECT 1 FROM reports r WHERE r.store_id = $1 AND r.user_id = $2));

-- name: find_user_of_any_store
-- A user as seen by a service token.
SELECT user_id, email, name FROM users WHERE user_id = $1;

-- name: insert_membership
-- Being a member twice is being a member.
INSERT INTO memberships (store_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: delete_membership
-- Takes the user's tokens of this store along, and tells those who remember them.
WITH gone AS (
    DELETE FROM memberships WHERE store_id = $1 AND user_id = $2 RETURNING user_id
)
SELECT user_id, pg_notify($3, '') FROM gone;

-- name: insert_token
-- Only the digest is kept; the prefix is for people to tell tokens apart.
INSERT INTO tokens (user_id, store_id, is_service, digest, prefix, name, scopes, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING token_id;

-- name: find_token
-- By digest, whatever its state: the code decides, and answers all refusals alike.
SELECT token_id, user_id, store_id, digest, scopes, is_valid, seconds_left FROM bearer_of($1);

-- name: revoke_token
-- Those who remember it are told with the commit.
WITH revoked AS (
    UPDATE tokens SET revoked_at = coalesce(revoked_at, now()) WHERE token_id = $1
    RETURNING token_id
)
SELECT token_id, pg_notify($2, '') FROM revoked;

-- name: list_tokens
-- For the operator; there is nothing secret in it.
SELECT token_id, user_id, store_id, is_service, prefix, name, scopes, expires_at, revoked_at,
       created_at
  FROM tokens ORDER BY token_id;
