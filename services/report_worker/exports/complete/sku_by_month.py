"""`sku_by_month`: what was sold of each article."""

from __future__ import annotations

from services.report_worker.exports.definition import Column, ColumnType, ExportFile, Measure
from shared.database.queries import load_queries

_SQL = load_queries(__file__)

SKU_BY_MONTH = ExportFile(
    "sku_by_month",
    _SQL["sku_by_month"],
    (
        Column("month", ColumnType.DATE, "The month's first day"),
        Column("sku", ColumnType.TEXT, "Article"),
        Column("name", ColumnType.TEXT, "Its name; of several the last by code point"),
        Column("currency", ColumnType.TEXT, "Currency of the amount"),
        Column("line_count", ColumnType.NUMBER, "Lines of transactions"),
        Column("quantity", ColumnType.NUMBER, "Sum of their quantities"),
        Column("amount", ColumnType.MONEY, "Sum of their amounts, before coupons and tax"),
    ),
    about=(
        "Items of transactions that count, by the month of the transaction. There is a row where "
        "there is an item. Refunds and cancellations are in it with their signs."
    ),
    totals={Measure.ITEMS: "amount"},
    is_aggregate=True,
)
