"""`transactions`: one row a transaction, whatever became of it."""

from __future__ import annotations

from services.report_worker.exports.definition import Column, ColumnType, ExportFile, Measure
from shared.database.queries import load_queries

_SQL = load_queries(__file__)

TRANSACTIONS = ExportFile(
    "transactions",
    _SQL["transactions"],
    (
        Column("id", ColumnType.TEXT, "The transaction's id, as the store gave it"),
        Column("customer_id", ColumnType.TEXT, "The customer's id; empty for a guest"),
        Column("transaction_date", ColumnType.MOMENT, "When it happened; the range limits it"),
        Column("type", ColumnType.TEXT, "`sale`, `refund` or `cancellation`"),
        Column("status", ColumnType.TEXT, "`completed`, `cancelled` or `voided`"),
        Column("is_test", ColumnType.BOOLEAN, "Whether it was only a test"),
        Column("is_counted", ColumnType.BOOLEAN, "Whether it counts: completed, and no test"),
        Column("currency", ColumnType.TEXT, "Currency of the amounts"),
        Column("country", ColumnType.TEXT, "Country, as the store gave it"),
        Column("total_items", ColumnType.MONEY, "Sum of its items"),
        Column("total_discount", ColumnType.MONEY, "What coupons took off"),
        Column("total_tax", ColumnType.MONEY, "Tax"),
        Column("total_shipping", ColumnType.MONEY, "Shipping"),
        Column("total_order", ColumnType.MONEY, "items - discount + tax + shipping"),
        Column("revision", ColumnType.NUMBER, "1, and one more for each time it was replaced"),
    ),
    about="One row a transaction as it is now, in the order of time.",
    totals={
        Measure.TRANSACTIONS: "",
        Measure.AMOUNT: "total_order",
        Measure.ITEMS: "total_items",
        Measure.DISCOUNTS: "total_discount",
        Measure.TAX: "total_tax",
        Measure.SHIPPING: "total_shipping",
    },
    counted="is_counted",
    ranged_by="transaction_date",
    cuts=_SQL["cuts"],
)
