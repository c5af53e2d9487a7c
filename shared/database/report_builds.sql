-- Every statement that changes what a caller can see of a report tells whoever watches it, when it
-- commits: NOTIFY tallyport_reports, with the store and the report.

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
RETURNING *, pg_notify('tallyport_reports', store_id || '/' || report_id);

-- name: find_owed
-- Whose turn it is before the report of a message: a report of its size, of another store that has
-- nothing in hand and was served less recently. Who asks for a hundred waits for others in between.
-- When a store was served: now, while it has a build in hand; else when its last one ended, as far
-- as the last day's reports tell. That is looked up for stores that wait only: mostly for none.
WITH others AS (
    SELECT DISTINCT ON (r.store_id) r.store_id, r.report_id, r.is_large, r.date_created
      FROM reports r
     WHERE r.store_id <> $1 AND r.status = 'queued' AND r.next_attempt_at <= now()
       AND r.is_large = (SELECT is_large FROM reports
                          WHERE store_id = $1 AND report_id = $2
                            AND status = 'queued' AND next_attempt_at <= now())
       AND NOT EXISTS (SELECT 1 FROM reports b
                        WHERE b.store_id = r.store_id AND b.status = 'building')
     ORDER BY r.store_id, r.date_created
)
SELECT o.store_id, o.report_id, o.is_large
  FROM others o,
       LATERAL (SELECT coalesce(max(s.date_modified), '-infinity') AS served_at FROM reports s
                 WHERE s.store_id = o.store_id AND s.status IN ('ready', 'error')
                   AND s.date_created > now() - interval '1 day') AS theirs
 WHERE theirs.served_at < CASE
           WHEN EXISTS (SELECT 1 FROM reports b WHERE b.store_id = $1 AND b.status = 'building')
           THEN 'infinity'
           ELSE (SELECT coalesce(max(s.date_modified), '-infinity') FROM reports s
                  WHERE s.store_id = $1 AND s.status IN ('ready', 'error')
                    AND s.date_created > now() - interval '1 day')
       END
 ORDER BY theirs.served_at, o.date_created LIMIT 1;

-- name: try_lock_builds
-- Not waiting for it: whoever holds it may be waiting for ours.
SELECT pg_try_advisory_xact_lock(hashtextextended('tallyport.builds', $1)) AS locked;

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

-- name: next_of_store
-- The store has a place again: what was put off first is due now, and its message on its way.
UPDATE reports
   SET next_attempt_at = now(), dispatched_at = now()
 WHERE store_id = $1 AND report_id = (
       SELECT report_id FROM reports
        WHERE store_id = $1 AND status = 'queued' AND dispatched_at IS NULL AND stage = 'waiting'
        ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: renew_lease
-- The heartbeat: still alive, this far. No row: the report was cancelled or taken over.
UPDATE reports
   SET lease_until = now() + make_interval(secs => $4), stage = $5, rows_written = $6,
       rows_estimated = coalesce($7, rows_estimated)
 WHERE store_id = $1 AND report_id = $2 AND status = 'building' AND attempt = $3
RETURNING report_id, pg_notify('tallyport_reports', store_id || '/' || report_id);

-- name: finish_report
-- Publish. Only the attempt that still holds the report can.
UPDATE reports
   SET status = 'ready', stage = 'done', worker = NULL, lease_until = NULL, object_key = $4,
       object_bytes = $5, object_sha256 = $6, rows_written = $7, ready_at = clock_timestamp(),
       file_expires_at = clock_timestamp() + make_interval(days => $8),
       date_modified = clock_timestamp()
 WHERE store_id = $1 AND report_id = $2 AND attempt = $3 AND status = 'building'
RETURNING *, pg_notify('tallyport_reports', store_id || '/' || report_id);

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
RETURNING *, pg_notify('tallyport_reports', store_id || '/' || report_id);

-- name: release_report
-- A worker that is shutting down gives back what it has not finished: no attempt is used up.
UPDATE reports
   SET status = 'queued', stage = 'waiting', worker = NULL, lease_until = NULL,
       next_attempt_at = now(), dispatched_at = NULL, released = released + 1
 WHERE store_id = $1 AND report_id = $2 AND attempt = $3 AND status = 'building'
RETURNING *, pg_notify('tallyport_reports', store_id || '/' || report_id);

-- name: fail_report
-- The end of a report that will not be built: a permanent failure, or no attempts left.
UPDATE reports
   SET status = 'error', stage = 'failed', worker = NULL, lease_until = NULL,
       failure_code = $4, failure_message = $5, date_modified = now()
 WHERE store_id = $1 AND report_id = $2 AND attempt = $3 AND status = 'building'
RETURNING *, pg_notify('tallyport_reports', store_id || '/' || report_id);

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
RETURNING *, pg_notify('tallyport_reports', store_id || '/' || report_id);

-- name: reap_exhausted
-- A worker was lost in the last attempt as well: say so, instead of trying for ever.
UPDATE reports
   SET status = 'error', stage = 'failed', worker = NULL, lease_until = NULL,
       failure_code = 'worker_lost', date_modified = now(),
       failure_message = format('each of %s attempts lost its worker or failed; ask for the '
                                'report again, or for a shorter range', attempt - released)
 WHERE status = 'building' AND lease_until < now() AND attempt - released >= $1
RETURNING *, pg_notify('tallyport_reports', store_id || '/' || report_id);

-- name: due_reports
-- What waits and is due, and was not sent to the queue yet, or so long ago that its message may
-- be lost. A message that comes twice is dropped by the claim; but an hour in a long queue, or
-- without a broker, must not add one for each minute. So the pauses double, up to ten times the
-- first, and what still stands in the outbox for that queue says that nothing is lost, but that
-- the broker does not take it.
WITH untaken AS MATERIALIZED (
    SELECT DISTINCT routing_key FROM outbox WHERE created_at < now() - make_interval(secs => $1)
)
UPDATE reports
   SET dispatched_at = now()
 WHERE (store_id, report_id) IN (
       SELECT store_id, report_id FROM reports
        WHERE status = 'queued' AND next_attempt_at <= now()
          AND (dispatched_at IS NULL
               OR (now() - dispatched_at > least(
                       make_interval(secs => $1) * 10,
                       greatest(make_interval(secs => $1), dispatched_at - next_attempt_at))
                   AND CASE WHEN is_large THEN $3 ELSE $4 END NOT IN (
                       SELECT routing_key FROM untaken)))
        ORDER BY next_attempt_at LIMIT $2
          FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: unfinished
-- What is on its way, and since when the oldest has been. Two indexes hold none but these rows.
SELECT states.state, count(r.report_id) AS many,
       coalesce(extract(epoch FROM now() - min(r.date_created)), 0)::float8 AS seconds
  FROM (VALUES ('waiting'), ('retrying'), ('building')) AS states (state)
  LEFT JOIN (SELECT report_id, date_created,
                    CASE WHEN status = 'building' THEN 'building'
                         WHEN attempt > released THEN 'retrying' ELSE 'waiting' END AS state
               FROM reports WHERE status IN ('queued', 'building')) AS r USING (state)
 GROUP BY states.state;
