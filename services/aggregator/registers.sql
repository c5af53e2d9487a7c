-- name: state
-- The register, if it is this store's, and its rollups, as one text: what a question is made from.
-- It tells whether that is still what the asker knows, and whether the version is one that the
-- question was made for; what is known already does not travel again.
-- Before anything else it tells the database whose rows may be read (docs/security.md), to the end of
-- the transaction: for a statement alone that is its own. Row security is looked at as late as rows are
-- read, and all of them are read behind the condition at the end.
WITH asked AS MATERIALIZED (
    SELECT set_config('tallyport.store_id', ($3::bigint)::text, true) AS store_id
), seen AS MATERIALIZED (
    SELECT r.version, $1::text AS known, $2::bigint AS version_max,
           json_build_array(r.meta, (
               SELECT json_agg(json_build_array(
                          u.rollup_id, u.register_id, u.grain, u.zone, u.zone_digest, u.columns,
                          u.synced_version, u.extremes_version = u.synced_version, u.is_rejected, u.rows_held, u.items_held,
                          extract(epoch FROM u.first_bucket), extract(epoch FROM u.last_bucket))
                          ORDER BY u.rollup_id)
                 FROM rollups u
                WHERE u.store_id = $3::bigint AND u.register_id = r.register_id)
           )::text AS definition
      FROM registers r
     WHERE r.store_id = $3::bigint AND r.register_id = $4::bigint
)
SELECT version, definition = known AND version <= version_max AS is_same,
       nullif(definition, known) AS definition
  FROM seen WHERE (SELECT store_id FROM asked) IS NOT NULL
