-- name: prepare_snapshot
-- For this transaction only: times in the report's zone, dates as ISO writes them, and a limit of
-- the server's own, in milliseconds, should we not be there any more to keep ours. (Compiling an
-- export's expressions costs more than it saves.) Every statement is planned for its own arguments:
-- where the next range ends, for one, is asked dozens of times, and the plan for any range and any
-- offset reads what the one for this offset passes over in the index. The moment is remembered for
-- the manifest: now() would be that of BEGIN, and what was committed since is in the snapshot too.
SELECT set_config('timezone', $1, true), set_config('datestyle', 'ISO, YMD', true),
       set_config('statement_timeout', $2, true), set_config('jit', 'off', true),
       set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('tallyport.snapshot_at', statement_timestamp()::text, true);

-- name: export_snapshot
-- So that further connections see the same moment, for as long as this transaction is open.
SELECT pg_export_snapshot();

-- name: import_snapshot
-- The first statement of such a connection. It takes a literal only.
SET TRANSACTION SNAPSHOT '{moment}';

-- name: join_by_hash
-- For a store whose rows the planner does not expect (they came after statistics were gathered): it
-- would take each of its transactions for the only one, and compare all with all.
SET LOCAL enable_nestloop = off;
