-- name: start
-- Before it is done: a crash in between leaves a line that says so.
INSERT INTO dead_letter_actions (
    actor, action, letter_id, message_id, queue, kind, store_id, reason_code, reason, died_at,
    redrives, body_bytes, body_sha256, body_start)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
RETURNING action_id;

-- name: finish
-- How it ended.
UPDATE dead_letter_actions SET result = $2, detail = $3, ended_at = clock_timestamp()
 WHERE action_id = $1;

-- name: newest
-- For whoever asks what has been done; what was thrown away by its first bytes.
SELECT action_id, started_at, ended_at, actor, action, result, detail, letter_id, message_id,
       queue, kind, store_id, reason_code, reason, died_at, redrives, body_bytes, body_sha256,
       body_start
  FROM dead_letter_actions ORDER BY action_id DESC LIMIT $1;
