"""The statements that do not name a store, and why each is about more than one, or none."""

from __future__ import annotations

# By file and name; then the reason.
ACROSS = {
    "shared/database/accounts.sql: insert_store": "makes the store: it has no number before",
    "shared/database/accounts.sql: list_stores": "the operator's list of all stores",
    "shared/database/accounts.sql: list_tokens": "the operator's list of all tokens",
    "shared/database/accounts.sql: revoke_token": "the operator's; a token may be of all stores",
    "shared/database/dead_letter_actions.sql: finish": "the operator's log, of no store",
    "shared/database/dead_letter_actions.sql: newest": "the operator's log, of no store",
    "shared/database/idempotency_keys.sql: expire_idempotency_keys": "the janitor, for all stores",
    "shared/database/outbox.sql: take": "a relay publishes what any store promised",
    "shared/database/outbox.sql: remove": "what it has taken, each by store and number",
    "shared/database/outbox.sql: depth": "a metric of all stores",
    "shared/database/report_builds.sql: find_owed": "fairness: whose turn it is among all stores",
    "shared/database/report_builds.sql: reap_expired": "the reaper, for all stores",
    "shared/database/report_builds.sql: reap_exhausted": "the reaper, for all stores",
    "shared/database/report_builds.sql: due_reports": "the reaper, for all stores",
    "shared/database/report_builds.sql: unfinished": "a metric of all stores",
    "shared/database/report_uploads.sql: abandoned_uploads": "the janitor, for all stores",
    "shared/database/report_uploads.sql: expire_files": "the janitor, for all stores",
    "shared/database/reports.sql: find_reports": (
        "all event streams of a gateway at once, each report by store and number"
    ),
    "shared/rollups/definitions.sql: any_one": "the keeper checks one rollup of any store",
    "shared/rollups/folding.sql: behind": "the sweep: registers of any store that lack something",
    "services/recorder/record_customers.sql: prepare": "a temporary table of the same shape",
    "services/recorder/record_subscriptions.sql: prepare": "a temporary table of the same shape",
}

# COPY into these leaves the store out: the role that copies has no right to say whose the rows are.
# The column's default does, from what the session serves (docs/security.md).
COPIED = {
    "register_items",
    "transaction_items",
    "transaction_discounts",
    "transaction_payments",
}

# Functions of the database that look past the store of the session: at which table, and why.
FUNCTIONS = {
    "bearer_of": ("tokens", "a token is looked up before its store is known"),
    "store_of_register": ("registers", "a service token names a register without its store"),
    "may_write_everywhere": ("tokens", "a service token is of all stores"),
    "reports_ahead": ("reports", "how many reports of any store wait before this one"),
    "waiting_reports": ("reports", "the same for all of a store's"),
}

# What is sent and is not a named statement as it stands: the module, what it hands the driver, by
# what each of its kinds is known in the server's log (none: no service sends it), and what it is.
PUT_TOGETHER: list[tuple[str, str, tuple[str, ...], str]] = [
    (
        "services/aggregator/reading.py",
        "asked.statement.sql",
        (
            r"^\s*WITH state AS .* FROM register_items\n",
            r"^\s*WITH state AS .* FROM rollup_rows b\n",
            r"^\s*WITH state AS .* CROSS JOIN LATERAL \(\s+SELECT [^(]* FROM register_items i\n",
            r"^\s*WITH state AS .* FROM register_items i\n",
            r"^\s*WITH state AS .* AS era, ",
        ),
        "questions: the register's state, then totals from items and rollups, as planned",
    ),
    (
        "services/aggregator/catalogue.py",
        "sql",
        (
            r"AS looked_at,\s+count\(DISTINCT",
            r"span AS MATERIALIZED",
            r"looked AS MATERIALIZED \(\s*SELECT originated_at",
            r"looked AS MATERIALIZED \(SELECT 1 LIMIT 0",
        ),
        "labels and their values, from rollups and items",
    ),
    (
        "services/gateway/item_listing.py",
        "f\"{_SQL['items']} LIMIT ${len(arguments) + 1}\"",
        (r"ORDER BY originated_at, unique_key LIMIT \$17$",),
        "a page of items",
    ),
    (
        "services/gateway/item_listing.py",
        "f\"SELECT {cells}, {RECORD_END} FROM ({_SQL['items']}) AS items\"",
        (r"^COPY \(SELECT .*, '\.' AS record_end FROM \(",),
        "all items as CSV",
    ),
    (
        "services/recorder/ledger.py",
        "'incoming_items'",
        (r'^COPY "pg_temp"."incoming_items"',),
        "COPY",
    ),
    ("services/recorder/ledger.py", "'register_items'", (r'^COPY "register_items"',), "COPY"),
    (
        "services/recorder/record_customers.py",
        "'incoming_customers'",
        (r'^COPY "pg_temp"."incoming_customers"',),
        "COPY",
    ),
    (
        "services/recorder/record_subscriptions.py",
        "'incoming_subscriptions'",
        (r'^COPY "pg_temp"."incoming_subscriptions"',),
        "COPY",
    ),
    (
        "services/recorder/transaction_rows.py",
        "'incoming_transactions'",
        (r'^COPY "pg_temp"."incoming_transactions"',),
        "COPY",
    ),
    (
        "services/recorder/transaction_rows.py",
        "f'transaction_{kind}'",
        (r'^COPY "transaction_payments"',),
        "COPY",
    ),
    (
        "services/report_worker/control_totals.py",
        "statement",
        (
            r"^SELECT currency, count\(\*\) AS rows",
            r"SELECT currency, sum\(items\)::bigint AS lines",
        ),
        "control totals over a file's SELECT",
    ),
    (
        "services/report_worker/copying.py",
        "rendering.select(found.rows)",
        (r"^COPY \(.* AS source.*TO STDOUT",),
        "a file, or a range of it, as its format shows it",
    ),
    (
        "services/report_worker/copying.py",
        "_SQL['import_snapshot'].format(moment=moment)",
        (r"SET TRANSACTION SNAPSHOT '",),
        "a literal is all that it takes",
    ),
    (
        "services/report_worker/estimating.py",
        "f'EXPLAIN (FORMAT JSON) {file.query}'",
        (r"^EXPLAIN \(FORMAT JSON\) --",),
        "how many rows a file's SELECT has",
    ),
    (
        "services/report_worker/ranges.py",
        "_SQL['explain'].format(rows=rows)",
        (r"^EXPLAIN \(FORMAT JSON\) SELECT \* ",),
        "whether a file's SELECT follows an index",
    ),
    (
        "services/report_worker/ranges.py",
        "self._file.cuts",
        (r"OFFSET \$5 LIMIT 1",),
        "where a range ends: a named statement of the file",
    ),
    ("shared/rollups/folding.py", "statement", (r"INSERT INTO rollup_rows AS held",), "folding"),
    (
        "shared/rollups/checking.py",
        "_compare_sql(grid, tuple(rollup['columns']), has_extremes=rollup['has_extremes'])",
        (r"AS disagreements",),
        "a rollup beside its items",
    ),
    ("shared/database/pool.py", "'SELECT 1'", (r"^SELECT 1$",), "health"),
    ("shared/listening.py", "'SELECT 1'", (r"^SELECT 1$",), "health"),
    ("shared/database/migrate.py", "sql", (), "migrations, of the owner"),
    (
        "shared/database/migrate.py",
        "text('SELECT pg_advisory_xact_lock(:lock)')",
        (),
        "migrations, of the owner",
    ),
    (
        "shared/database/migrate.py",
        "text(\"SELECT set_config('tallyport.store_id', '-1', true)\")",
        (),
        "migrations, of the owner",
    ),
    (
        "cli/administration.py",
        "\"SELECT set_config('tallyport.store_id', '-1', true)\"",
        (),
        "the operator's accounts, of every store",
    ),
]
