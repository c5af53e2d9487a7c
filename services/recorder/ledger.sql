-- name: prepare
-- What comes in waits in a table of the session, so that one statement can tell new from known.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_items (
    batch         integer NOT NULL,
    ordinal       integer NOT NULL,
    is_new        boolean NOT NULL DEFAULT true,
    unique_key    text COLLATE "C" NOT NULL,
    amount        numeric NOT NULL,
    originated_at timestamptz NOT NULL,
    description   text NOT NULL,
    units         text NOT NULL,
    meta0 text COLLATE "C",
    meta1 text COLLATE "C",
    meta2 text COLLATE "C",
    meta3 text COLLATE "C",
    meta4 text COLLATE "C",
    meta5 text COLLATE "C",
    meta6 text COLLATE "C",
    meta7 text COLLATE "C",
    meta8 text COLLATE "C",
    meta9 text COLLATE "C"
) ON COMMIT DELETE ROWS;

-- name: append_all
-- When all of it is new, as nearly always: a sixth cheaper than asking row by row. It fails on the
-- first key that is known.
INSERT INTO register_items (store_id, register_id, version, unique_key, amount, originated_at,
                            description, units, meta0, meta1, meta2, meta3, meta4,
                            meta5, meta6, meta7, meta8, meta9)
SELECT $1, $2, $3, unique_key, amount, originated_at,
       description, units, meta0, meta1, meta2, meta3, meta4,
       meta5, meta6, meta7, meta8, meta9
  FROM pg_temp.incoming_items;

-- name: append_new
-- When some of it is known: the rest, of rows with the same key the first.
INSERT INTO register_items (store_id, register_id, version, unique_key, amount, originated_at,
                            description, units, meta0, meta1, meta2, meta3, meta4,
                            meta5, meta6, meta7, meta8, meta9)
SELECT $1, $2, $3, unique_key, amount, originated_at,
       description, units, meta0, meta1, meta2, meta3, meta4,
       meta5, meta6, meta7, meta8, meta9
  FROM pg_temp.incoming_items
 ORDER BY unique_key, batch, ordinal
ON CONFLICT (store_id, register_id, unique_key) DO NOTHING
RETURNING unique_key;

-- name: mark_known
-- Tell what was not inserted, so that what follows in the transaction takes what is_new only.
UPDATE pg_temp.incoming_items i
   SET is_new = false
  FROM (SELECT ctid AS place,
               row_number() OVER (PARTITION BY unique_key ORDER BY batch, ordinal) AS nth
          FROM pg_temp.incoming_items) AS o
 WHERE o.place = i.ctid
   AND (o.nth > 1 OR i.unique_key <> ALL ($1::text[]));

-- name: count_new
-- What each batch added.
SELECT batch, count(*) AS inserted FROM pg_temp.incoming_items WHERE is_new GROUP BY batch;

-- name: contradictions
-- Rows whose key was taken, before or by an earlier row of the same writing, for other content.
SELECT i.batch, i.ordinal, i.unique_key
  FROM pg_temp.incoming_items i
  JOIN register_items r
    ON r.store_id = $1 AND r.register_id = $2 AND r.unique_key = i.unique_key
 WHERE (r.amount, r.originated_at, r.description, r.units, r.meta0, r.meta1, r.meta2, r.meta3,
        r.meta4, r.meta5, r.meta6, r.meta7, r.meta8, r.meta9)
       IS DISTINCT FROM
       (i.amount, i.originated_at, i.description, i.units, i.meta0, i.meta1, i.meta2,
        i.meta3, i.meta4, i.meta5, i.meta6, i.meta7, i.meta8, i.meta9)
 ORDER BY i.batch, i.ordinal
 LIMIT $3;

-- name: take_reversals
-- The mirror images of lines that are there, to be appended: all the same but sign and mark, so
-- that every sum by any column and any period comes out as if they had never been.
INSERT INTO pg_temp.incoming_items (batch, ordinal, unique_key, amount, originated_at, description,
                                    units, meta0, meta1, meta2, meta3, meta4, meta5, meta6, meta7,
                                    meta8, meta9)
SELECT 0, k.ordinal, r.unique_key || $4, -r.amount, r.originated_at, r.description || $4,
       r.units, r.meta0, r.meta1, r.meta2, r.meta3, r.meta4, r.meta5, r.meta6, r.meta7,
       r.meta8, r.meta9
  FROM unnest($3::text[]) WITH ORDINALITY AS k (unique_key, ordinal)
  JOIN register_items r
    ON r.store_id = $1 AND r.register_id = $2 AND r.unique_key = k.unique_key
RETURNING ordinal;
