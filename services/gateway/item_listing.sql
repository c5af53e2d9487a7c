-- name: items
-- The items of a range and with the values asked for, in order, behind a place in that order. Those
-- up to one version are the same whenever they are read: a ledger is only appended to, and versions
-- are in the order of commits. An array that is NULL asks for nothing. The key of a place at the
-- range's start is '', which no item has.
SELECT unique_key, description, amount, units, originated_at,
       meta0, meta1, meta2, meta3, meta4, meta5, meta6, meta7, meta8, meta9
  FROM register_items
 WHERE store_id = $1 AND register_id = $2 AND version <= $3
   AND originated_at >= $4 AND (originated_at, unique_key) > ($4, $5)
   AND originated_at <= $6
   AND ($7::text[] IS NULL OR coalesce(meta0, '') = ANY ($7::text[]))
   AND ($8::text[] IS NULL OR coalesce(meta1, '') = ANY ($8::text[]))
   AND ($9::text[] IS NULL OR coalesce(meta2, '') = ANY ($9::text[]))
   AND ($10::text[] IS NULL OR coalesce(meta3, '') = ANY ($10::text[]))
   AND ($11::text[] IS NULL OR coalesce(meta4, '') = ANY ($11::text[]))
   AND ($12::text[] IS NULL OR coalesce(meta5, '') = ANY ($12::text[]))
   AND ($13::text[] IS NULL OR coalesce(meta6, '') = ANY ($13::text[]))
   AND ($14::text[] IS NULL OR coalesce(meta7, '') = ANY ($14::text[]))
   AND ($15::text[] IS NULL OR coalesce(meta8, '') = ANY ($15::text[]))
   AND ($16::text[] IS NULL OR coalesce(meta9, '') = ANY ($16::text[]))
 ORDER BY originated_at, unique_key
