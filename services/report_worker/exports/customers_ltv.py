"""`customers_ltv`: what each customer has brought in so far, by currency (docs/reports.md)."""

from __future__ import annotations

from services.report_worker.exports.definition import (
    Column,
    ColumnType,
    Export,
    ExportFile,
    Measure,
)
from shared.contracts.reports import ReportName
from shared.database.queries import load_queries

_SQL = load_queries(__file__)

COLUMNS = (
    Column("id", ColumnType.TEXT, "The customer's id, as the store gave it"),
    Column("email", ColumnType.TEXT, "E-mail address"),
    Column("first_name", ColumnType.TEXT, "First name"),
    Column("last_name", ColumnType.TEXT, "Last name"),
    Column(
        "currency", ColumnType.TEXT, "Currency of the amounts; the store's if they bought nothing"
    ),
    Column("first_transaction_date", ColumnType.MOMENT, "Their first transaction that counts"),
    Column("last_transaction_date", ColumnType.MOMENT, "Their last transaction that counts"),
    Column(
        "transaction_count",
        ColumnType.NUMBER,
        "Transactions that count: sales, refunds and cancellations",
    ),
    Column("sale_count", ColumnType.NUMBER, "Sales among them"),
    Column("gross", ColumnType.MONEY, "Items of the sales"),
    Column("discounts", ColumnType.MONEY, "What coupons took off the sales"),
    Column("tax", ColumnType.MONEY, "Tax on the sales"),
    Column("shipping", ColumnType.MONEY, "Shipping of the sales"),
    Column("refunds", ColumnType.MONEY, "Totals of refunds and cancellations, negative"),
    Column(
        "lifetime_value",
        ColumnType.MONEY,
        "All of it together: gross - discounts + tax + shipping + refunds",
    ),
    Column(
        "average_order_value",
        ColumnType.MONEY,
        "(gross - discounts + tax + shipping) / sale_count, halves to even; 0 without sales",
    ),
    Column(
        "lifetime_value_in_range",
        ColumnType.MONEY,
        "The same as lifetime_value, of transactions within the range",
    ),
)

CUSTOMERS_LTV = Export(
    ReportName.CUSTOMERS_LTV,
    (
        ExportFile(
            "customers_ltv",
            _SQL["customers_ltv"],
            COLUMNS,
            about=(
                "One row a customer and currency, in the order of their ids. All customers of the "
                "store are there, whenever they came, and so are customers that transactions name "
                "and the store has not sent; guests are not. The range limits nothing but the last "
                "column."
            ),
            totals={Measure.AMOUNT_OF_CUSTOMERS: "lifetime_value_in_range"},
        ),
    ),
)
