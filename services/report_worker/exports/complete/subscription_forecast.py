"""`subscription_forecast`: what active subscriptions will bring in the next twelve months."""

from __future__ import annotations

from services.report_worker.exports.definition import Column, ColumnType, ExportFile, Measure
from shared.database.queries import load_queries

_SQL = load_queries(__file__)

SUBSCRIPTION_FORECAST = ExportFile(
    "subscription_forecast",
    _SQL["subscription_forecast"],
    (
        Column("month", ColumnType.DATE, "The month's first day"),
        Column("sku", ColumnType.TEXT, "Article"),
        Column("name", ColumnType.TEXT, "Its name; of several the last by code point"),
        Column("currency", ColumnType.TEXT, "Currency of the amount"),
        Column("subscription_count", ColumnType.NUMBER, "Subscriptions that are due"),
        Column("transaction_count", ColumnType.NUMBER, "How often they are due, together"),
        Column("quantity", ColumnType.NUMBER, "Sum of the quantities"),
        Column(
            "amount",
            ColumnType.MONEY,
            "Sum of quantity times price, each rounded to the currency's digits, halves to even",
        ),
    ),
    about=(
        "What the active subscriptions bring in the twelve months ahead, which begin with the "
        "first day that begins at or after the range's end; in the middle of a month the first and "
        "the last month are parts. A subscription is due on its next date and at every step of its "
        "frequency, and on its end date for the last time. There are no other cancellations and no "
        "new subscriptions. Steps of months and years do not drift: what began on 31 January is "
        "due on 28 February and on 31 March. There is a row where something is due."
    ),
    totals={Measure.FORECAST: "amount"},
    is_aggregate=True,
)
