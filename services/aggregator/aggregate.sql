-- name: find_register
-- The register, if it is this store's. In the same trip it prepares the transaction for the one
-- statement that follows: the deadline holds on the server too; compiling a plan would take longer
-- than running it; a plan has to be made for the boundaries at hand; joins of a few thousand rows
-- with themselves must not be nested loops just because statistics have not caught up with a load.
SELECT version, meta,
       set_config('statement_timeout', $3, true),
       set_config('work_mem', $4, true),
       set_config('jit', 'off', true),
       set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('max_parallel_workers_per_gather', '0', true),
       set_config('enable_nestloop', 'off', true)
  FROM registers
 WHERE store_id = $1 AND register_id = $2;
