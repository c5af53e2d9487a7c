"""`summary_daily`, `summary_weekly`, `summary_monthly`: totals by period, from one statement."""

from __future__ import annotations

from services.report_worker.exports.definition import Column, ColumnType, ExportFile, Measure
from shared.database.queries import load_queries

_SQL = load_queries(__file__)


def _summary(adverb: str, period: str, what: str, meaning: str) -> ExportFile:
    return ExportFile(
        f"summary_{adverb}",
        _SQL["summary"],
        (
            Column("period", ColumnType.DATE, meaning),
            Column("currency", ColumnType.TEXT, "Currency of the amounts"),
            Column(
                "transaction_count",
                ColumnType.NUMBER,
                "Transactions that count: sales, refunds and cancellations",
            ),
            Column("sale_count", ColumnType.NUMBER, "Sales among them"),
            Column("refund_count", ColumnType.NUMBER, "Refunds and cancellations among them"),
            Column("cancelled_count", ColumnType.NUMBER, "Cancelled ones, which do not count"),
            Column("voided_count", ColumnType.NUMBER, "Voided ones, which do not count"),
            Column("test_count", ColumnType.NUMBER, "Tests, which do not count"),
            Column("gross", ColumnType.MONEY, "Items of the sales"),
            Column("discounts", ColumnType.MONEY, "What coupons took off the sales"),
            Column("tax", ColumnType.MONEY, "Tax on the sales"),
            Column("shipping", ColumnType.MONEY, "Shipping of the sales"),
            Column("refunds", ColumnType.MONEY, "Totals of refunds and cancellations, negative"),
            Column(
                "total",
                ColumnType.MONEY,
                "All of it together: gross - discounts + tax + shipping + refunds",
            ),
        ),
        about=(
            f"One row a {what} and currency, from the {what} that holds the range's start to the "
            "one that holds its end, with 0 where there is nothing. Currencies are those of the "
            "transactions in the range."
        ),
        parameters=(period,),
        is_aggregate=True,
        totals={Measure.TRANSACTIONS: "transaction_count", Measure.AMOUNT: "total"},
    )


SUMMARY_DAILY = _summary("daily", "day", "day", "The day, by the store's clock")
SUMMARY_WEEKLY = _summary("weekly", "week", "week", "The Sunday that the week begins with")
SUMMARY_MONTHLY = _summary("monthly", "month", "month", "The month's first day")
