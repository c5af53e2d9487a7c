-- name: point
-- How far the log of the primary is safe now. A commit is seen, and told of, after its own place in
-- the log is flushed: whatever anybody knows by now lies before this point. The number tells one
-- cluster from another, whose points mean nothing here.
SELECT pg_current_wal_flush_lsn()::text AS lsn, system_identifier FROM pg_control_system();

-- name: reached
-- Whether this server is a replica of that cluster and has replayed its log up to the point. Its own
-- statement, and before the reading one: a snapshot that was taken before the answer may be older.
SELECT pg_is_in_recovery() AND system_identifier = $2 AS is_replica,
       coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false) AS is_reached
  FROM pg_control_system();
