-- Who sent a dead letter on, or threw it away, when, and what it was. Written before it is done, so
-- that nothing is done that is not written down: `started` for good means that it broke off.
-- It belongs to the operator of all stores, not to one of them.
CREATE TABLE dead_letter_actions (
    action_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at    timestamptz,
    actor       text NOT NULL CHECK (length(actor) BETWEEN 1 AND 500),
    action      text NOT NULL CHECK (action IN ('redrive', 'purge')),
    result      text NOT NULL DEFAULT 'started'
                CHECK (result IN ('started', 'done', 'refused', 'failed')),
    detail      text,
    letter_id   text NOT NULL,
    message_id  text,
    queue       text,
    kind        text,
    store_id    bigint,
    reason_code text NOT NULL,
    reason      text NOT NULL,
    died_at     timestamptz,
    redrives    integer NOT NULL,
    body_bytes  bigint NOT NULL,
    body_sha256 text NOT NULL,
    -- Of what was thrown away, as much as is kept.
    body_start  bytea,
    CHECK ((result = 'started') = (ended_at IS NULL)),
    CHECK (action = 'purge' OR body_start IS NULL)
);
