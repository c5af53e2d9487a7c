-- A customer's last order is the last that counts (docs/reports.md): looked up or read along in the
-- index alone. Nothing else asks for a customer's transactions.
CREATE INDEX transactions_that_count ON transactions (store_id, customer_id, transaction_date)
    WHERE status = 'completed' AND NOT is_test AND customer_id IS NOT NULL;
DROP INDEX transactions_of_customer;
