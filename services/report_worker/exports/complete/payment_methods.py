"""`payment_methods_by_month`: what came in by which way."""

from __future__ import annotations

from services.report_worker.exports.definition import Column, ColumnType, ExportFile, Measure
from shared.database.queries import load_queries

_SQL = load_queries(__file__)

PAYMENT_METHODS_BY_MONTH = ExportFile(
    "payment_methods_by_month",
    _SQL["payment_methods_by_month"],
    (
        Column("month", ColumnType.DATE, "The month's first day"),
        Column("method", ColumnType.TEXT, "Method of payment, as the store gave it"),
        Column("currency", ColumnType.TEXT, "Currency of the amount"),
        Column("payment_count", ColumnType.NUMBER, "How many payments"),
        Column("amount", ColumnType.MONEY, "What was paid, less what was paid back"),
    ),
    about=(
        "Payments of transactions that count, by the month in which they were paid; the range "
        "limits that moment, so the transaction may lie before the range. There is a row where "
        "there is a payment."
    ),
    totals={Measure.PAYMENTS: "amount"},
    is_aggregate=True,
)
