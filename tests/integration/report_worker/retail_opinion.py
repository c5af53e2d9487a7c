"""The online retail sample's reports a second time: Python and Decimal, straight from the CSV.

In: the sample, a range of its wall clock (Europe/London). Out: every row of every table as text, by
the rules of docs/reports.md and README.md of the samples. Nothing of the product is used.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/London")
CENT = Decimal("0.01")
Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Line:
    sku: str
    name: str
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True)
class Invoice:
    id: str
    at: datetime
    customer: str
    country: str
    lines: tuple[Line, ...]

    @property
    def is_sale(self) -> bool:
        return not self.id.startswith("C")

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal())


def read(path: Path) -> list[Invoice]:
    """All invoices, in the order of time and then of their numbers."""
    rows: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows[row["InvoiceNo"]].append(row)
    invoices = []
    for number, lines in rows.items():
        first = min(lines, key=lambda row: _instant(row["InvoiceDate"]))
        invoices.append(
            Invoice(
                number,
                _instant(first["InvoiceDate"]),
                first["CustomerID"].strip().removesuffix(".0"),
                first["Country"],
                tuple(_line(row) for row in lines),
            )
        )
    return sorted(invoices, key=lambda invoice: (invoice.at, invoice.id))


def _line(row: dict[str, str]) -> Line:
    quantity, price = Decimal(row["Quantity"]), Decimal(row["UnitPrice"])
    # Nothing less than nothing is nothing: Python would keep the sign of -10 times 0.00.
    amount = (quantity * price).quantize(CENT, ROUND_HALF_EVEN) + Decimal()
    return Line(row["StockCode"], row["Description"], quantity, amount)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def complete(every: list[Invoice], start: datetime, end: datetime) -> dict[str, Rows]:
    """The nine tables. The sample has no coupons, payments and subscriptions."""
    invoices = [invoice for invoice in every if start <= invoice.at <= end]
    first, last = start.astimezone(ZONE).date(), end.astimezone(ZONE).date()
    return {
        "transactions": [_transaction(invoice) for invoice in invoices],
        "items": _items(invoices),
        "coupons_used": [],
        "payment_methods_by_month": [],
        "summary_daily": _summary(invoices, _days(first, last), lambda day: day),
        "summary_weekly": _summary(invoices, _days(_sunday(first), last, 7), _sunday),
        "summary_monthly": _summary(
            invoices, sorted({_month(d) for d in _days(first, last)}), _month
        ),
        "sku_by_month": _skus(invoices),
        "subscription_forecast": [],
    }


def _transaction(invoice: Invoice) -> dict[str, str]:
    return {
        "id": invoice.id,
        "customer_id": invoice.customer,
        "transaction_date": _shown(invoice.at),
        "type": "sale" if invoice.is_sale else "cancellation",
        "status": "completed",
        "is_test": "false",
        "is_counted": "true",
        "currency": "GBP",
        "country": invoice.country,
        "total_items": str(invoice.total),
        "total_discount": "0.00",
        "total_tax": "0.00",
        "total_shipping": "0.00",
        "total_order": str(invoice.total),
        "revision": "1",
    }


def _items(invoices: Iterable[Invoice]) -> Rows:
    rows = []
    for invoice in invoices:
        for number, line in enumerate(invoice.lines, start=1):
            row = {
                "unique_key": f"{invoice.id}/1/{number}",
                "transaction_date": _shown(invoice.at),
                "transaction_id": invoice.id,
                "line_type": "item",
                "is_reversal": "false",
                "customer_id": invoice.customer,
                "transaction_type": "sale" if invoice.is_sale else "cancellation",
                "sku": line.sku,
                "description": _guarded(line.name or line.sku),
                "category": "",
                "coupon": "",
                "country": invoice.country,
                "payment_method": "",
                "currency": "GBP",
                "amount": str(line.amount),
            }
            rows.append(((invoice.at, row["unique_key"]), row))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _summary(
    invoices: list[Invoice], periods: list[date], period_of: Callable[[date], date]
) -> Rows:
    if not invoices:
        return []
    held: defaultdict[date, list[Invoice]] = defaultdict(list)
    for invoice in invoices:
        held[period_of(invoice.at.astimezone(ZONE).date())].append(invoice)
    assert set(held) <= {*periods}
    return [{"period": str(period), **_totals(held[period])} for period in periods]


def _totals(invoices: list[Invoice]) -> dict[str, str]:
    sales = [invoice.total for invoice in invoices if invoice.is_sale]
    others = [invoice.total for invoice in invoices if not invoice.is_sale]
    return {
        "currency": "GBP",
        "transaction_count": str(len(invoices)),
        "sale_count": str(len(sales)),
        "refund_count": str(len(others)),
        "cancelled_count": "0",
        "voided_count": "0",
        "test_count": "0",
        "gross": _money(sales),
        "discounts": "0.00",
        "tax": "0.00",
        "shipping": "0.00",
        "refunds": _money(others),
        "total": _money(sales + others),
    }


def _skus(invoices: list[Invoice]) -> Rows:
    sold: defaultdict[tuple[date, str], list[Line]] = defaultdict(list)
    for invoice in invoices:
        for line in invoice.lines:
            sold[_month(invoice.at.astimezone(ZONE).date()), line.sku].append(line)
    return [
        {
            "month": str(month),
            "sku": sku,
            "name": _guarded(max(line.name for line in lines)),
            "currency": "GBP",
            "line_count": str(len(lines)),
            "quantity": str(sum(line.quantity for line in lines)),
            "amount": _money(line.amount for line in lines),
        }
        for (month, sku), lines in sorted(sold.items())
    ]


def customers_ltv(invoices: list[Invoice], start: datetime, end: datetime) -> Rows:
    """One row a customer: the sample has one currency, and nothing of customers but their ids."""
    bought: defaultdict[str, list[Invoice]] = defaultdict(list)
    for invoice in invoices:
        for customer in {invoice.customer} - {""}:
            bought[customer].append(invoice)
    rows = []
    for customer, theirs in sorted(bought.items()):
        sales = [invoice.total for invoice in theirs if invoice.is_sale]
        others = [invoice.total for invoice in theirs if not invoice.is_sale]
        average = sum(sales, Decimal()) / len(sales) if sales else Decimal()
        rows.append(
            {
                "id": customer,
                "email": "",
                "first_name": "",
                "last_name": "",
                "currency": "GBP",
                "first_transaction_date": _shown(theirs[0].at),
                "last_transaction_date": _shown(theirs[-1].at),
                "transaction_count": str(len(theirs)),
                "sale_count": str(len(sales)),
                "gross": _money(sales),
                "discounts": "0.00",
                "tax": "0.00",
                "shipping": "0.00",
                "refunds": _money(others),
                "lifetime_value": _money(sales + others),
                "average_order_value": str(average.quantize(CENT, ROUND_HALF_EVEN)),
                "lifetime_value_in_range": _money(
                    invoice.total for invoice in theirs if start <= invoice.at <= end
                ),
            }
        )
    return rows


def _money(amounts: Iterable[Decimal]) -> str:
    return str(sum(amounts, Decimal("0.00")))


def _shown(instant: datetime) -> str:
    return instant.astimezone(ZONE).isoformat()


def _guarded(text: str) -> str:
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") and text else text


def _days(first: date, last: date, step: int = 1) -> list[date]:
    return [first + timedelta(days=n) for n in range(0, (last - first).days + 1, step)]


def _sunday(day: date) -> date:
    return day - timedelta(days=day.isoweekday() % 7)


def _month(day: date) -> date:
    return day.replace(day=1)
