-- name: find_register
-- One register of the store.
SELECT store_id, register_id, name, units, meta, version, is_sales, created_at, updated_at
  FROM registers WHERE store_id = $1 AND register_id = $2;

-- name: lock_register
-- The same, held against other changes of its definition and against writers of items. What is
-- written bears the version that comes next: the row is held to the commit, so that versions are in
-- the order of commits, and who sees one sees all before it.
SELECT store_id, register_id, name, units, meta, version, is_sales, created_at, updated_at
  FROM registers WHERE store_id = $1 AND register_id = $2
   FOR NO KEY UPDATE;

-- name: find_sales_register
-- The store's ledger of transactions, if it has one yet.
SELECT store_id, register_id, name, units, meta, version, is_sales, created_at, updated_at
  FROM registers WHERE store_id = $1 AND is_sales;

-- name: store_of_register
-- A service token names a register without its store.
SELECT store_of_register($1);

-- name: list_registers
-- One page, oldest first: a new register does not move the pages before it.
SELECT store_id, register_id, name, units, meta, version, is_sales, created_at, updated_at
  FROM registers WHERE store_id = $1
 ORDER BY register_id LIMIT $2 OFFSET $3;

-- name: count_registers
-- How many there are to page through.
SELECT count(*) FROM registers WHERE store_id = $1;

-- name: insert_register
-- A ledger that nothing is written in yet.
INSERT INTO registers (store_id, name, units, meta)
VALUES ($1, $2, $3, $4)
RETURNING store_id, register_id, name, units, meta, version, is_sales, created_at, updated_at;

-- name: insert_sales_register
-- Two that do it at once: the second waits for the first and then finds it there.
INSERT INTO registers (store_id, name, units, meta, is_sales)
VALUES ($1, $2, $3, $4, true)
ON CONFLICT (store_id) WHERE is_sales DO NOTHING;

-- name: update_register
-- Labels decide what a question may ask for, so the version moves: remembered answers are stale.
UPDATE registers
   SET name = $3, units = $4, meta = $5, version = version + 1, updated_at = now()
 WHERE store_id = $1 AND register_id = $2
RETURNING store_id, register_id, name, units, meta, version, is_sales, created_at, updated_at;

-- name: bump_version
-- Its items have changed.
UPDATE registers SET version = version + 1
 WHERE store_id = $1 AND register_id = $2
RETURNING version;

-- name: find_unwritten_twin
-- What the first delivery of the same creation made, when the message is delivered again: alike
-- in everything, and nobody who knows its id has written to it.
SELECT store_id, register_id, name, units, meta, version, is_sales, created_at, updated_at
  FROM registers
 WHERE store_id = $1 AND name = $2 AND units = $3 AND meta = $4 AND version = 0
   AND NOT is_sales AND created_at > now() - interval '1 hour'
 ORDER BY register_id DESC LIMIT 1;
