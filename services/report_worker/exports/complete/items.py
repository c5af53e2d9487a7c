"""`items`: the store's sales register, line by line."""

from __future__ import annotations

from services.report_worker.exports.definition import Column, ColumnType, ExportFile, Measure
from shared.database.queries import load_queries

_SQL = load_queries(__file__)

ITEMS = ExportFile(
    "items",
    _SQL["items"],
    (
        Column("unique_key", ColumnType.TEXT, "The line's key: transaction, revision, line"),
        Column("transaction_date", ColumnType.MOMENT, "The transaction's; the range limits it"),
        Column("transaction_id", ColumnType.TEXT, "The transaction's id"),
        Column("line_type", ColumnType.TEXT, "`item`, `discount`, `tax` or `shipping`"),
        Column("is_reversal", ColumnType.BOOLEAN, "Whether it takes back a line posted before"),
        Column("customer_id", ColumnType.TEXT, "The customer's id; empty for a guest"),
        Column("transaction_type", ColumnType.TEXT, "`sale`, `refund` or `cancellation`"),
        Column("sku", ColumnType.TEXT, "Article; of items only"),
        Column("description", ColumnType.TEXT, "Name of the article or of the coupon"),
        Column("category", ColumnType.TEXT, "The article's category; of items only"),
        Column("coupon", ColumnType.TEXT, "Code of the coupon; of discounts only"),
        Column("country", ColumnType.TEXT, "The transaction's country"),
        Column("payment_method", ColumnType.TEXT, "That of the transaction's largest payment"),
        Column("currency", ColumnType.TEXT, "Currency of the amount"),
        Column("amount", ColumnType.MONEY, "What the line adds; discounts are negative"),
    ),
    about=(
        "One row a line of the store's sales register, in the order of time. A transaction that "
        "was replaced has its earlier lines there too, each with a reversal that bears its key "
        "with ` - VOID` behind; both have the date of the earlier line, so together they are "
        "nothing in every sum."
    ),
    totals={Measure.LINES: "", Measure.AMOUNT: "amount"},
    is_register=True,
    ranged_by="transaction_date",
    cuts=_SQL["cuts"],
)
