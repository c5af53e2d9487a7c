// The largest register alone: the kindest case. Rollups by local day, as ours; built once. The two
// ids are filled in when it is started.
cube(`Items`, {
  sql: `SELECT originated_at, amount, coalesce(meta0, '') AS meta0, coalesce(meta1, '') AS meta1
          FROM public.register_items
         WHERE store_id = BENCH_STORE_ID
           AND register_id = BENCH_REGISTER_ID`,
  refreshKey: { every: `1 day` },
  measures: {
    count: { type: `count` },
    total: { sql: `amount`, type: `sum` },
  },
  dimensions: {
    meta0: { sql: `meta0`, type: `string` },
    meta1: { sql: `meta1`, type: `string` },
    originatedAt: { sql: `originated_at`, type: `time` },
  },
  preAggregations: {
    byDay: {
      type: `rollup`, external: false,
      measures: [CUBE.count, CUBE.total],
      timeDimension: CUBE.originatedAt, granularity: `day`,
      refreshKey: { every: `1 day` },
    },
    byDayAndOne: {
      type: `rollup`, external: false,
      measures: [CUBE.count, CUBE.total], dimensions: [CUBE.meta0],
      timeDimension: CUBE.originatedAt, granularity: `day`,
      refreshKey: { every: `1 day` },
    },
    byDayAndTwo: {
      type: `rollup`, external: false,
      measures: [CUBE.count, CUBE.total], dimensions: [CUBE.meta0, CUBE.meta1],
      timeDimension: CUBE.originatedAt, granularity: `day`,
      refreshKey: { every: `1 day` },
    },
  },
});
