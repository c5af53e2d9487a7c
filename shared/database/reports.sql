-- name: insert_report
-- Accepted: from the commit of this row on the report cannot be lost.
INSERT INTO reports (store_id, user_id, name, version, format, compress, timezone,
                     range_start, range_end, is_large, rows_estimated, dispatched_at, traceparent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now(), $12)
RETURNING *;

-- name: find_report
-- One report of the store, with its files.
SELECT r.*,
       (SELECT jsonb_agg(jsonb_build_object('name', f.name, 'rows', f.rows, 'bytes', f.bytes,
                                            'sha256', f.sha256) ORDER BY f.ordinal)
          FROM report_files f
         WHERE f.store_id = r.store_id AND f.report_id = r.report_id) AS files,
       CASE WHEN r.status = 'queued' THEN
           (SELECT count(*) FROM reports o
             WHERE o.status = 'queued' AND o.is_large = r.is_large
               AND (o.date_created, o.report_id) < (r.date_created, r.report_id))
       END AS ahead
  FROM reports r
 WHERE r.store_id = $1 AND r.report_id = $2;

-- name: delete_report
-- The row goes at once, and with it the right of any worker to finish it; what is in the object
-- store is removed by the janitor, which finds it in report_uploads.
DELETE FROM reports WHERE store_id = $1 AND report_id = $2 RETURNING report_id;

-- name: claim_report
-- Take the report if it is due and nobody has it, and if the store is below its share of builds.
-- The attempt's number is the fencing token of everything that follows.
UPDATE reports r
   SET status = 'building', stage = 'starting', attempt = attempt + 1, worker = $3,
       lease_until = now() + make_interval(secs => $4), rows_written = 0,
       failure_code = NULL, failure_message = NULL
 WHERE store_id = $1 AND report_id = $2 AND status = 'queued' AND next_attempt_at <= now()
   AND (SELECT count(*) FROM reports b
         WHERE b.store_id = $1 AND b.status = 'building') < $5
RETURNING *;

-- name: lock_builds
-- Two claims that count the store's builds at the same time would both find room for one more.
SELECT pg_advisory_xact_lock(hashtextextended('tallyport.builds', $1));

-- name: is_due
-- Tell a report that was not claimed because of its store's share from one that is done.
SELECT status = 'queued' AND next_attempt_at <= now() AS due
  FROM reports WHERE store_id = $1 AND report_id = $2;

-- name: defer_report
-- The store has its share of workers already: look again a little later.
UPDATE reports
   SET next_attempt_at = now() + make_interval(secs => $3), dispatched_at = NULL
 WHERE store_id = $1 AND report_id = $2 AND status = 'queued';

-- name: renew_lease
-- The heartbeat: still alive, this far. No row: the report was cancelled or taken over.
UPDATE reports
   SET lease_until = now() + make_interval(secs => $4), stage = $5, rows_written = $6,
       rows_estimated = coalesce($7, rows_estimated)
 WHERE store_id = $1 AND report_id = $2 AND status = 'building' AND attempt = $3
RETURNING report_id;

-- name: note_upload
-- Written before the first byte is sent, so that whatever an attempt leaves behind can be found.
INSERT INTO report_uploads (store_id, report_id, attempt, object_key)
SELECT store_id, report_id, attempt, $4
  FROM reports
 WHERE store_id = $1 AND report_id = $2 AND attempt = $3 AND status = 'building'
RETURNING object_key;

-- name: finish_report
-- Publish. Only the attempt that still holds the report can.
UPDATE reports
   SET status = 'ready', stage = 'done', worker = NULL, lease_until = NULL, object_key = $4,
       object_bytes = $5, object_sha256 = $6, rows_written = $7, ready_at = clock_timestamp(),
       file_expires_at = clock_timestamp() + make_interval(days => $8),
       date_modified = clock_timestamp()
 WHERE store_id = $1 AND report_id = $2 AND attempt = $3 AND status = 'building'
RETURNING *;

-- name: insert_report_file
-- One file of the report, as it was counted and hashed while it was written.
INSERT INTO report_files (store_id, report_id, ordinal, name, rows, bytes, sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: retry_report
-- A transient failure with attempts left: back to the queue, due after a backoff.
UPDATE reports
   SET status = 'queued', stage = 'retrying', worker = NULL, lease_until = NULL,
       next_attempt_at = now() + make_interval(secs => $4), dispatched_at = NULL,
       failure_code = $5, failure_message = $6
 WHERE store_id = $1 AND report_id = $2 AND attempt = $3 AND status = 'building'
RETURNING *;

-- name: release_report
-- A worker that is shutting down gives back what it has not finished: no attempt is used up.
UPDATE reports
   SET status = 'queued', stage = 'waiting', worker = NULL, lease_until = NULL,
       next_attempt_at = now(), dispatched_at = NULL, released = released + 1
 WHERE store_id = $1 AND report_id = $2 AND attempt = $3 AND status = 'building'
RETURNING *;

-- name: fail_report
-- The end of a report that will not be built: a permanent failure, or no attempts left.
UPDATE reports
   SET status = 'error', stage = 'failed', worker = NULL, lease_until = NULL,
       failure_code = $4, failure_message = $5, date_modified = now()
 WHERE store_id = $1 AND report_id = $2 AND attempt = $3 AND status = 'building'
RETURNING *;

-- name: lock_reaper
-- One reaper at a time; the others come again in a few seconds.
SELECT pg_try_advisory_xact_lock($1) AS locked;

-- name: reap_expired
-- A worker that died or froze has lost its lease: others may have the report.
UPDATE reports
   SET status = 'queued', stage = 'retrying', worker = NULL, lease_until = NULL,
       next_attempt_at = now() + make_interval(secs => random() * $2), dispatched_at = NULL,
       failure_code = 'worker_lost', failure_message = 'the worker that built it was lost'
 WHERE status = 'building' AND lease_until < now() AND attempt - released < $1
RETURNING *;

-- name: reap_exhausted
-- A worker was lost in the last attempt as well: say so, instead of trying for ever.
UPDATE reports
   SET status = 'error', stage = 'failed', worker = NULL, lease_until = NULL,
       failure_code = 'worker_lost', date_modified = now(),
       failure_message = format('each of %s attempts lost its worker or failed; ask for the '
                                'report again, or for a shorter range', attempt - released)
 WHERE status = 'building' AND lease_until < now() AND attempt - released >= $1
RETURNING *;

-- name: due_reports
-- What waits and is due, and was not sent to the queue yet, or so long ago that its message may
-- be lost. A message that comes twice is dropped by the claim.
UPDATE reports
   SET dispatched_at = now()
 WHERE (store_id, report_id) IN (
       SELECT store_id, report_id FROM reports
        WHERE status = 'queued' AND next_attempt_at <= now()
          AND (dispatched_at IS NULL OR dispatched_at < now() - make_interval(secs => $1))
        ORDER BY next_attempt_at LIMIT $2
          FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: abandoned_uploads
-- Objects that no report points at any more: of losers, of deleted and of expired reports. An
-- attempt that may still be running is left alone.
SELECT u.store_id, u.report_id, u.attempt, u.object_key
  FROM report_uploads u
  LEFT JOIN reports r ON r.store_id = u.store_id AND r.report_id = u.report_id
 WHERE u.created_at < now() - make_interval(secs => $1)
   AND (r.report_id IS NULL
        OR (r.status = 'building' AND r.attempt <> u.attempt)
        OR r.status IN ('queued', 'error')
        OR (r.status = 'ready' AND (r.object_key <> u.object_key OR r.file_removed_at IS NOT NULL)))
 ORDER BY u.created_at LIMIT $2;

-- name: forget_upload
-- The object is gone.
DELETE FROM report_uploads WHERE store_id = $1 AND report_id = $2 AND attempt = $3;

-- name: expire_files
-- Kept long enough: the resource stays ready, its link goes now, its object next.
UPDATE reports
   SET file_removed_at = now()
 WHERE status = 'ready' AND file_removed_at IS NULL AND file_expires_at < now()
RETURNING store_id, report_id;

-- name: expire_idempotency_keys
-- A key is remembered for a day.
DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours';

-- name: insert_idempotency_key
-- The first to come gets the row; a second one waits here until the first has committed.
INSERT INTO idempotency_keys (store_id, user_id, key, fingerprint, report_id)
VALUES ($1, $2, $3, $4, 0)
ON CONFLICT DO NOTHING
RETURNING key;

-- name: find_idempotency_key
-- What was answered to this key.
SELECT fingerprint, report_id, status, body FROM idempotency_keys
 WHERE store_id = $1 AND user_id = $2 AND key = $3;

-- name: complete_idempotency_key
-- The answer to give again.
UPDATE idempotency_keys SET report_id = $4, status = $5, body = $6
 WHERE store_id = $1 AND user_id = $2 AND key = $3;

-- name: list_reports
-- One page of the store's reports. What callers see as queued is queued or building.
SELECT r.*,
       (SELECT jsonb_agg(jsonb_build_object('name', f.name, 'rows', f.rows, 'bytes', f.bytes,
                                            'sha256', f.sha256) ORDER BY f.ordinal)
          FROM report_files f
         WHERE f.store_id = r.store_id AND f.report_id = r.report_id) AS files,
       NULL::bigint AS ahead
  FROM reports r
 WHERE r.store_id = $1
   AND ($2::text[] IS NULL OR r.status = ANY ($2))
   AND ($3::text IS NULL OR r.name = $3)
   AND ($4::timestamptz IS NULL OR r.date_created >= $4)
   AND ($5::timestamptz IS NULL OR r.date_created <= $5)
 ORDER BY CASE WHEN $6 THEN r.date_created END DESC, CASE WHEN $6 THEN r.report_id END DESC,
          r.date_created, r.report_id
 LIMIT $7 OFFSET $8;

-- name: count_reports
-- How many there are behind the last page as well.
SELECT count(*) FROM reports r
 WHERE r.store_id = $1
   AND ($2::text[] IS NULL OR r.status = ANY ($2))
   AND ($3::text IS NULL OR r.name = $3)
   AND ($4::timestamptz IS NULL OR r.date_created >= $4)
   AND ($5::timestamptz IS NULL OR r.date_created <= $5);
