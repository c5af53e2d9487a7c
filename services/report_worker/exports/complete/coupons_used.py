"""`coupons_used`: which coupon took how much off which transaction."""

from __future__ import annotations

from services.report_worker.exports.definition import Column, ColumnType, ExportFile, Measure
from shared.database.queries import load_queries

_SQL = load_queries(__file__)

COUPONS_USED = ExportFile(
    "coupons_used",
    _SQL["coupons_used"],
    (
        Column("transaction_id", ColumnType.TEXT, "The transaction's id"),
        Column("transaction_date", ColumnType.MOMENT, "The transaction's; the range limits it"),
        Column("customer_id", ColumnType.TEXT, "The customer's id; empty for a guest"),
        Column("transaction_type", ColumnType.TEXT, "`sale`, `refund` or `cancellation`"),
        Column("status", ColumnType.TEXT, "`completed`, `cancelled` or `voided`"),
        Column("is_test", ColumnType.BOOLEAN, "Whether the transaction was only a test"),
        Column("is_counted", ColumnType.BOOLEAN, "Whether it counts: completed, and no test"),
        Column("code", ColumnType.TEXT, "Code of the coupon"),
        Column("name", ColumnType.TEXT, "Name of the coupon"),
        Column("currency", ColumnType.TEXT, "Currency of the amount"),
        Column("amount", ColumnType.MONEY, "What it took off; negative where it was taken back"),
    ),
    about="One row a coupon of a transaction, in the order of the transactions.",
    totals={Measure.DISCOUNTS: "amount"},
    counted="is_counted",
)
