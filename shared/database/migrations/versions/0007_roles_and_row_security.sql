-- Who may do what in the database (docs/security.md). Each service has a role, which is neither owner
-- nor superuser, with the rights that its own statements need, and sees the rows of one store at a
-- time: the one that `tallyport.store_id` names. A statement that forgets to name its store then reads
-- and writes nothing of another store.
--
-- -1 stands for every store, for work that spans them (relaying, reaping, watching). It means
-- something to the few roles and tables only that have a policy `of_every_store`; what a store keeps
-- (items, customers, transactions) is never among them for a service.

-- Roles belong to the cluster, so another database of it may have made them. Their passwords are
-- somebody else's: deploy/postgres/10-roles.sh, devstack/database_roles.py.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{admin,gateway,report_worker,aggregator,recorder,appender}'::text[] LOOP
        name := 'tallyport_' || name;
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = name);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT %s', name,
                           CASE name WHEN 'tallyport_appender' THEN 'BYPASSRLS' ELSE '' END);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;  -- somebody was quicker
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'the role % is missing, and % may not make it: run deploy/postgres/10-roles.sh '
                                'as a superuser, then migrate again', name, current_user;
        END;
    END LOOP;
    IF NOT pg_has_role('tallyport_recorder', 'tallyport_appender', 'MEMBER') THEN
        GRANT tallyport_appender TO tallyport_recorder;
    END IF;
    IF NOT has_parameter_privilege('tallyport.store_id', 'SET') THEN
        RAISE EXCEPTION '% may not make functions that set tallyport.store_id: run deploy/postgres/10-roles.sh '
                        'as a superuser, then migrate again', current_user;
    END IF;
END $$;

-- Rows of one store ---------------------------------------------------------------------------

-- The same for each table of a store. FORCE: the owner, too. The owner's own policy is for migrations
-- and for the functions below; it has to say -1, like everybody. (The expression is written out
-- because a function would have to be looked up and inlined each time a statement is planned.)
DO $$
DECLARE
    of_store regclass;
BEGIN
    FOR of_store IN
        SELECT a.attrelid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE a.attname = 'store_id' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', of_store);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', of_store);
        EXECUTE format('CREATE POLICY of_store ON %s USING '
                       '(store_id = nullif(current_setting(''tallyport.store_id'', true), '''')::bigint)',
                       of_store);
        EXECUTE format('CREATE POLICY of_the_owner ON %s TO CURRENT_USER USING '
                       '(current_setting(''tallyport.store_id'', true) = ''-1'')', of_store);
    END LOOP;
END $$;

-- The operator's accounts.
CREATE POLICY of_every_store ON stores TO tallyport_admin
    USING (current_setting('tallyport.store_id', true) = '-1');
CREATE POLICY of_every_store ON memberships TO tallyport_admin
    USING (current_setting('tallyport.store_id', true) = '-1');
CREATE POLICY of_every_store ON tokens TO tallyport_admin
    USING (current_setting('tallyport.store_id', true) = '-1');
CREATE POLICY of_every_store ON dead_letter_actions TO tallyport_admin
    USING (current_setting('tallyport.store_id', true) = '-1');
-- The relay publishes whatever was promised; the reaper promises for any store.
CREATE POLICY of_every_store ON outbox TO tallyport_gateway, tallyport_report_worker, tallyport_recorder
    USING (current_setting('tallyport.store_id', true) = '-1');
-- One statement for all event streams of a gateway; whose turn it is; lost workers; retention.
CREATE POLICY of_every_store ON reports TO tallyport_gateway, tallyport_report_worker
    USING (current_setting('tallyport.store_id', true) = '-1');
CREATE POLICY of_every_store ON report_files TO tallyport_gateway
    USING (current_setting('tallyport.store_id', true) = '-1');
CREATE POLICY of_every_store ON report_uploads TO tallyport_report_worker
    USING (current_setting('tallyport.store_id', true) = '-1');
CREATE POLICY of_every_store ON idempotency_keys TO tallyport_report_worker
    USING (current_setting('tallyport.store_id', true) = '-1');
-- Which registers have to be folded, and which rollup is compared with its items.
CREATE POLICY of_every_store ON registers TO tallyport_recorder
    USING (current_setting('tallyport.store_id', true) = '-1');
CREATE POLICY of_every_store ON rollups TO tallyport_recorder
    USING (current_setting('tallyport.store_id', true) = '-1');

-- What is asked before a store is known, or about others without seeing them ---------------------

CREATE FUNCTION bearer_of(sought bytea)
    RETURNS TABLE (token_id bigint, user_id bigint, store_id bigint, digest bytea, scopes text[],
                   is_valid boolean, seconds_left float8)
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp SET "tallyport.store_id" = '-1'
BEGIN ATOMIC
    SELECT t.token_id, t.user_id, t.store_id, t.digest, t.scopes,
           t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()),
           extract(epoch FROM t.expires_at - now())::float8
      FROM public.tokens t WHERE t.digest = sought;
END;

CREATE FUNCTION store_of_register(sought bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET "tallyport.store_id" = '-1'
BEGIN ATOMIC
    SELECT r.store_id FROM public.registers r WHERE r.register_id = sought;
END;

-- Whether a user has a service token that is valid and may write: such a token is no store's.
CREATE FUNCTION may_write_everywhere(asking bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET "tallyport.store_id" = '-1'
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM public.tokens t
                    WHERE t.user_id = asking AND t.is_service AND 'write' = ANY (t.scopes)
                      AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()));
END;

-- How many reports of a size wait that were asked for before this one.
CREATE FUNCTION reports_ahead(large boolean, asked_at timestamptz, of_report bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET "tallyport.store_id" = '-1'
BEGIN ATOMIC
    SELECT count(*) FROM public.reports o
     WHERE o.status = 'queued' AND o.is_large = large
       AND (o.date_created, o.report_id) < (asked_at, of_report);
END;

-- The same for all of a store's reports that wait.
CREATE FUNCTION waiting_reports(of_store bigint) RETURNS TABLE (report_id bigint, ahead bigint)
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
    SET search_path = pg_catalog, pg_temp SET "tallyport.store_id" = '-1'
BEGIN ATOMIC
    SELECT w.report_id, w.ahead
      FROM (SELECT o.store_id, o.report_id,
                   row_number() OVER (PARTITION BY o.is_large ORDER BY o.date_created, o.report_id) - 1
                       AS ahead
              FROM public.reports o WHERE o.status = 'queued') AS w
     WHERE w.store_id = of_store;
END;

-- Rights ------------------------------------------------------------------------------------------

-- From nothing: databases of before had given nearly everything.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC, tallyport_admin, tallyport_gateway, '
                   'tallyport_report_worker, tallyport_aggregator, tallyport_recorder', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO tallyport_admin, tallyport_gateway, '
                   'tallyport_report_worker, tallyport_aggregator, tallyport_recorder', current_database());
    -- Batches are copied into temporary tables first.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO tallyport_recorder', current_database());
END $$;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES
    FROM tallyport_gateway, tallyport_report_worker, tallyport_aggregator, tallyport_recorder;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON SEQUENCES
    FROM tallyport_gateway, tallyport_report_worker, tallyport_aggregator, tallyport_recorder;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA public
    FROM tallyport_gateway, tallyport_report_worker, tallyport_aggregator, tallyport_recorder;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public
    FROM tallyport_gateway, tallyport_report_worker, tallyport_aggregator, tallyport_recorder;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO tallyport_admin, tallyport_gateway, tallyport_report_worker,
    tallyport_aggregator, tallyport_recorder, tallyport_appender;

-- The promises: made by three, relayed by the same. Who locks a row needs the right to update some
-- column of it; this one cannot be given a value.
GRANT SELECT, INSERT, DELETE, UPDATE (outbox_id) ON outbox
    TO tallyport_gateway, tallyport_report_worker, tallyport_recorder;

GRANT EXECUTE ON FUNCTION bearer_of, store_of_register TO tallyport_gateway;
GRANT EXECUTE ON FUNCTION reports_ahead, waiting_reports TO tallyport_gateway, tallyport_report_worker;
GRANT EXECUTE ON FUNCTION export_text TO tallyport_aggregator;
GRANT EXECUTE ON FUNCTION may_write_everywhere TO tallyport_report_worker;
GRANT EXECUTE ON FUNCTION export_text, export_time, export_money, currency_digits, round_money
    TO tallyport_gateway, tallyport_report_worker;

GRANT SELECT ON stores, users, memberships, registers, register_items, report_files TO tallyport_gateway;
GRANT SELECT (store_id, date_created) ON customers TO tallyport_gateway;
GRANT SELECT (store_id, transaction_id, transaction_date) ON transactions TO tallyport_gateway;
GRANT SELECT (store_id, transaction_id) ON transaction_discounts TO tallyport_gateway;
GRANT SELECT, DELETE ON reports TO tallyport_gateway;
GRANT SELECT, INSERT, UPDATE (report_id, status, body) ON idempotency_keys TO tallyport_gateway;

GRANT SELECT ON stores, memberships, registers, register_items, rollups, rollup_rows, customers,
    transactions, transaction_items, transaction_discounts, transaction_payments, subscriptions
    TO tallyport_report_worker;
GRANT SELECT, UPDATE (status, stage, attempt, released, worker, lease_until, next_attempt_at, dispatched_at,
                      rows_written, rows_estimated, failure_code, failure_message, object_key, object_bytes,
                      object_sha256, ready_at, file_expires_at, file_removed_at, date_modified)
    ON reports TO tallyport_report_worker;
GRANT SELECT, INSERT ON report_files TO tallyport_report_worker;
GRANT SELECT, INSERT, DELETE ON report_uploads TO tallyport_report_worker;
GRANT SELECT, INSERT, UPDATE (report_id, status, body), DELETE ON idempotency_keys
    TO tallyport_report_worker;

-- A report begins as it was asked for; whoever accepts it says nothing about its end.
GRANT INSERT (store_id, user_id, name, version, format, compress, timezone, range_start, range_end,
              is_large, rows_estimated, dispatched_at, traceparent)
    ON reports TO tallyport_gateway, tallyport_report_worker;

-- It only ever reads, and of items not what is written about them.
GRANT SELECT ON registers, rollups, rollup_rows TO tallyport_aggregator;
GRANT SELECT (store_id, register_id, version, amount, originated_at, meta0, meta1, meta2, meta3, meta4, meta5,
              meta6, meta7, meta8, meta9) ON register_items TO tallyport_aggregator;

-- A ledger is appended to. Nobody may change or remove what is in it.
GRANT SELECT ON stores TO tallyport_recorder;
GRANT SELECT, INSERT, UPDATE (name, units, meta, version, updated_at) ON registers TO tallyport_recorder;
GRANT SELECT, INSERT ON register_items TO tallyport_recorder;
GRANT SELECT, INSERT, UPDATE ON customers, subscriptions, transactions TO tallyport_recorder;
GRANT SELECT, INSERT, DELETE ON transaction_items, transaction_discounts, transaction_payments
    TO tallyport_recorder;
GRANT SELECT, INSERT, UPDATE, DELETE ON rollups, rollup_rows TO tallyport_recorder;

-- COPY does not work into tables with row security, and it is what recording owes its speed to. So the
-- recorder copies as this role, which row security does not hold for. It cannot read anything, and it
-- cannot say whose rows they are: the store is what the setting says.
ALTER TABLE register_items ALTER store_id
    SET DEFAULT nullif(current_setting('tallyport.store_id', true), '')::bigint;
ALTER TABLE transaction_items ALTER store_id
    SET DEFAULT nullif(current_setting('tallyport.store_id', true), '')::bigint;
ALTER TABLE transaction_discounts ALTER store_id
    SET DEFAULT nullif(current_setting('tallyport.store_id', true), '')::bigint;
ALTER TABLE transaction_payments ALTER store_id
    SET DEFAULT nullif(current_setting('tallyport.store_id', true), '')::bigint;
GRANT INSERT (register_id, version, unique_key, amount, originated_at, description, units, meta0, meta1,
              meta2, meta3, meta4, meta5, meta6, meta7, meta8, meta9)
    ON register_items TO tallyport_appender;
GRANT INSERT (transaction_id, line, sku, name, category, quantity, price, amount, subscription_id)
    ON transaction_items TO tallyport_appender;
GRANT INSERT (transaction_id, line, code, name, amount) ON transaction_discounts TO tallyport_appender;
GRANT INSERT (transaction_id, line, method, amount, paid_at) ON transaction_payments TO tallyport_appender;

-- The operator: accounts of any store, and the rollups of one.
GRANT SELECT, INSERT ON stores, users TO tallyport_admin;
GRANT SELECT, INSERT, DELETE ON memberships TO tallyport_admin;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON tokens TO tallyport_admin;
GRANT SELECT, INSERT, UPDATE (result, detail, ended_at) ON dead_letter_actions TO tallyport_admin;
GRANT SELECT ON registers, register_items TO tallyport_admin;
GRANT SELECT, UPDATE, DELETE ON rollups TO tallyport_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_rows TO tallyport_admin;
