"""The demo's numbers a second time, straight from the CSV: plain Python, none of our own code.

In: the sample, whose times are the wall clock that the demo asks in. Out: what count, sums and
averages must be. Amounts are exact: the sample's prices have two decimals.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True)
class Opinion:
    """Periods are labelled as the service labels them: `Dec 2010`. `averages` has every month for
    every country, with 0 where nothing was sold."""

    lines: int
    customers: int
    sums: dict[str, Decimal]
    averages: dict[tuple[str, str], Decimal]
    lines_by_country: dict[str, int]


def compute(path: Path) -> Opinion:
    """Read the whole file once."""
    began: dict[str, str] = {}
    sales = []
    customers = set()
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            invoice, date = row["InvoiceNo"], row["InvoiceDate"]
            # An invoice happens at one moment, its first; its lines may differ by a minute.
            began[invoice] = min(date, began.get(invoice, date))
            amount = int(row["Quantity"]) * Decimal(row["UnitPrice"])
            sales.append((invoice, row["Country"], amount))
            if row["CustomerID"]:
                customers.add(row["CustomerID"])
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    cells: defaultdict[tuple[str, str], list[Decimal]] = defaultdict(list)
    countries: defaultdict[str, int] = defaultdict(int)
    for invoice, country, amount in sales:
        month = _label(began[invoice])
        sums[month] += amount
        cells[month, country].append(amount)
        countries[country] += 1
    averages = {
        (month, country): _average(cells.get((month, country), []))
        for month in sums
        for country in countries
    }
    return Opinion(len(sales), len(customers), dict(sums), averages, dict(countries))


def _average(amounts: list[Decimal]) -> Decimal:
    return sum(amounts, Decimal()) / len(amounts) if amounts else Decimal()


def _label(date: str) -> str:
    year, month = date.split("-")[:2]
    return f"{MONTHS[int(month) - 1]} {year}"
