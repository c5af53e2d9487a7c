-- name: note_upload
-- Written before the first byte is sent, so that whatever an attempt leaves behind can be found.
INSERT INTO report_uploads (store_id, report_id, attempt, object_key)
SELECT store_id, report_id, attempt, $4
  FROM reports
 WHERE store_id = $1 AND report_id = $2 AND attempt = $3 AND status = 'building'
RETURNING object_key;

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
