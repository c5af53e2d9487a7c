"""The recorder: it writes what producers send.

Comes in: `register.create.v1`, `register.update.v1`, `record.items.v1`, `record.columns.v1`,
`record.void.v1`, `record.customers.v1`, `record.transactions.v1`, `record.subscriptions.v1`. Goes
out: rows in PostgreSQL, all of a message or none; after the commit `recorded.v1` or
`register.saved.v1`; and `items.recorded.v1` through the outbox, promised in the same database
transaction.

    handlers              the edge: message in, reply out, one line a message in the log
    record_items          a batch to a register; void_item takes one back
    record_transactions   insert, replace, and post to the sales register
    record_customers      insert or replace; record_subscriptions likewise
    change_registers      create, rename, add labels
    posting               what a transaction amounts to, and its lines: pure
    transaction_rows      the rows of transactions
    item_rows             items as COPY reads them: pure
    ledger                the one place that writes items
    lanes                 what waits for the same register is committed together
    writing               a transaction, and again if the database asks for it

Every message may come twice: what is there already with the same content is a duplicate and
changes nothing.
"""
