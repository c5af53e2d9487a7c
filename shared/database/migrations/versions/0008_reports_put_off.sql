-- When a store's build ends, the first of its reports that had to wait for that is looked up: among
-- those few, not among all that wait, or all that the store ever asked for.
CREATE INDEX reports_put_off ON reports (store_id, next_attempt_at)
    WHERE status = 'queued' AND dispatched_at IS NULL;
