-- name: find_register
-- The register, if it is this store's. In the same trip it prepares the transaction for the one
-- statement that follows: the deadline holds on the server too; compiling a plan would take longer
-- than running it; a plan has to be made for the boundaries at hand. The joins of totals, groups and
-- periods are hash joins however wrong the estimates are (a merge of 60 groups with 43,860 totals
-- took 5 s, the hash join 20 ms).
SELECT version, meta,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'rollup_id', u.rollup_id, 'register_id', u.register_id, 'grain', u.grain,
                   'zone', u.zone, 'zone_digest', u.zone_digest, 'columns', to_jsonb(u.columns),
                   'synced_version', u.synced_version, 'is_rejected', u.is_rejected,
                   'rows_held', u.rows_held, 'items_held', u.items_held,
                   'first_bucket', extract(epoch FROM u.first_bucket),
                   'last_bucket', extract(epoch FROM u.last_bucket))), '[]')
          FROM rollups u
         WHERE u.store_id = registers.store_id AND u.register_id = registers.register_id
       ) AS rollups,
       set_config('statement_timeout', $3, true),
       set_config('work_mem', $4, true),
       set_config('jit', 'off', true),
       set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('max_parallel_workers_per_gather', '0', true),
       set_config('enable_nestloop', 'off', true),
       set_config('enable_mergejoin', 'off', true)
  FROM registers
 WHERE store_id = $1 AND register_id = $2;
