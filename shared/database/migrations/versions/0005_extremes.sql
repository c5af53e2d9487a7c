-- Rollups hold the least and the greatest amount of each bucket too (docs/rollups.md).
--
-- Nothing is rewritten here, and nothing is read: rows that are there have neither. A recorder of
-- before this may still fold beside those that know better, and moves `synced_version` alone; so
-- what tells whether a rollup has its extremes is that the two versions are the same. Recorders
-- build those anew that lack them, in the background; questions read their counts and sums meanwhile.

ALTER TABLE rollup_rows ADD COLUMN low numeric, ADD COLUMN high numeric;

ALTER TABLE rollups
    -- `low` and `high` are those of the items of versions 0 to this one.
    ADD COLUMN extremes_version bigint NOT NULL DEFAULT -1;
