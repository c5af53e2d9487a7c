-- name: find_register
-- The register, if it is this store's. In the same trip it prepares the transaction for the one
-- statement that follows: the deadline holds on the server too; compiling a plan would take longer
-- than running it; a plan has to be made for the boundaries at hand. The joins of totals, groups and
-- periods are hash joins however wrong the estimates are (a merge of 60 groups with 43,860 totals
-- took 5 s, the hash join 20 ms).
SELECT version, meta,
       set_config('statement_timeout', $3, true),
       set_config('work_mem', $4, true),
       set_config('jit', 'off', true),
       set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('max_parallel_workers_per_gather', '0', true),
       set_config('enable_nestloop', 'off', true),
       set_config('enable_mergejoin', 'off', true)
  FROM registers
 WHERE store_id = $1 AND register_id = $2;
