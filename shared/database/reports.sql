-- name: insert_report
-- Accepted: from the commit of this row on the report cannot be lost. It waits behind all of its
-- size that wait already.
INSERT INTO reports (store_id, user_id, name, version, format, compress, timezone,
                     range_start, range_end, is_large, rows_estimated, dispatched_at, traceparent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now(), $12)
RETURNING *, NULL::jsonb AS files,
          reports_ahead(is_large, 'infinity', 0) AS ahead;

-- name: find_report
-- One report of the store, with its files.
SELECT r.*,
       (SELECT jsonb_agg(jsonb_build_object('name', f.name, 'rows', f.rows, 'bytes', f.bytes,
                                            'sha256', f.sha256) ORDER BY f.ordinal)
          FROM report_files f
         WHERE f.store_id = $1 AND f.report_id = r.report_id) AS files,
       CASE WHEN r.status = 'queued' THEN reports_ahead(r.is_large, r.date_created, r.report_id)
       END AS ahead
  FROM reports r
 WHERE r.store_id = $1 AND r.report_id = $2;

-- name: find_reports
-- Several at once, of any stores, for the streams that watch them: one statement for all streams of
-- a process.
WITH waiting AS (
    SELECT store_id, report_id,
           row_number() OVER (PARTITION BY is_large ORDER BY date_created, report_id) - 1 AS ahead
      FROM reports WHERE status = 'queued')
SELECT r.*,
       (SELECT jsonb_agg(jsonb_build_object('name', f.name, 'rows', f.rows, 'bytes', f.bytes,
                                            'sha256', f.sha256) ORDER BY f.ordinal)
          FROM report_files f
         WHERE f.store_id = r.store_id AND f.report_id = r.report_id) AS files,
       w.ahead
  FROM unnest($1::bigint[], $2::bigint[]) AS wanted (store_id, report_id)
  JOIN reports r ON r.store_id = wanted.store_id AND r.report_id = wanted.report_id
  LEFT JOIN waiting w ON w.store_id = r.store_id AND w.report_id = r.report_id;

-- name: list_reports
-- One page of the store's reports. What callers see as queued is queued or building. Either order is
-- the index's, so that a page costs what is on it and before it.
WITH page AS (
    (SELECT r.* FROM reports r
       WHERE $6 AND r.store_id = $1
         AND ($2::text[] IS NULL OR r.status = ANY ($2))
         AND ($3::text IS NULL OR r.name = $3)
         AND ($4::timestamptz IS NULL OR r.date_created >= $4)
         AND ($5::timestamptz IS NULL OR r.date_created <= $5)
       ORDER BY r.date_created DESC, r.report_id DESC LIMIT $7 OFFSET $8)
    UNION ALL
    (SELECT r.* FROM reports r
       WHERE NOT $6 AND r.store_id = $1
         AND ($2::text[] IS NULL OR r.status = ANY ($2))
         AND ($3::text IS NULL OR r.name = $3)
         AND ($4::timestamptz IS NULL OR r.date_created >= $4)
         AND ($5::timestamptz IS NULL OR r.date_created <= $5)
       ORDER BY r.date_created, r.report_id LIMIT $7 OFFSET $8)
), waiting AS (
    SELECT report_id, ahead FROM waiting_reports($1)
     WHERE EXISTS (SELECT 1 FROM page p WHERE p.status = 'queued'))
SELECT r.*,
       (SELECT jsonb_agg(jsonb_build_object('name', f.name, 'rows', f.rows, 'bytes', f.bytes,
                                            'sha256', f.sha256) ORDER BY f.ordinal)
          FROM report_files f
         WHERE f.store_id = $1 AND f.report_id = r.report_id) AS files,
       w.ahead
  FROM page r
  LEFT JOIN waiting w ON w.report_id = r.report_id
 ORDER BY CASE WHEN $6 THEN r.date_created END DESC, CASE WHEN $6 THEN r.report_id END DESC,
          r.date_created, r.report_id;

-- name: count_reports
-- How many there are behind the last page as well.
SELECT count(*) FROM reports r
 WHERE r.store_id = $1
   AND ($2::text[] IS NULL OR r.status = ANY ($2))
   AND ($3::text IS NULL OR r.name = $3)
   AND ($4::timestamptz IS NULL OR r.date_created >= $4)
   AND ($5::timestamptz IS NULL OR r.date_created <= $5);

-- name: delete_report
-- The row goes at once, and with it the right of any worker to finish it; what is still in the object
-- store then is removed by the janitor, which finds it in report_uploads.
DELETE FROM reports WHERE store_id = $1 AND report_id = $2
RETURNING *, pg_notify('tallyport_reports', store_id || '/' || report_id);
