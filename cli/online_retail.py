"""The lines of an online-retail file: one product of one invoice each, untidy as real files are.

Comes in: CSV text with the columns of `source_file.RETAIL_COLUMNS`; times are the wall clock of
Europe/London. Goes out: `Line`s, checked, with numbers as exact decimals. Raises `BadFileError`
that names the line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from cli.outcomes import BadFileError
from cli.source_file import RETAIL_COLUMNS

ZONE = ZoneInfo("Europe/London")
CURRENCY = "GBP"
CANCELLATION = "C"


@dataclass(frozen=True, slots=True)
class Line:
    """`customer_id` is None for a guest. `moment` has the offset of Europe/London."""

    invoice: str
    sku: str
    name: str
    quantity: Decimal
    moment: datetime
    price: Decimal
    customer_id: str | None
    country: str


def read_lines(text: Iterable[str]) -> Iterator[Line]:
    """Every line, in the order of the file; exact repeats too, for they are sales as well."""
    reader = csv.DictReader(text, strict=True)
    try:
        missing = [name for name in RETAIL_COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise BadFileError(f"line 1: no column {', '.join(missing)}")
        for row in reader:
            yield _line(row)
    except (csv.Error, UnicodeDecodeError) as error:
        # The reader counts a line once it has read it.
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise BadFileError(f"line {reader.line_num + 1}: {reason}") from None
    except ValueError as error:
        raise BadFileError(f"line {reader.line_num}: {error}") from None


def _line(row: dict[str, str]) -> Line:
    if None in row or None in row.values():
        raise ValueError(f"not {len(RETAIL_COLUMNS)} cells")
    if not row["InvoiceNo"]:
        raise ValueError("no InvoiceNo")
    return Line(
        invoice=row["InvoiceNo"],
        sku=row["StockCode"],
        name=row["Description"],
        quantity=_number(row, "Quantity"),
        moment=_moment(row["InvoiceDate"]),
        price=_number(row, "UnitPrice"),
        # The file was once a spreadsheet, which made numbers of the ids.
        customer_id=row["CustomerID"].strip().removesuffix(".0") or None,
        country=row["Country"],
    )


def _number(row: dict[str, str], column: str) -> Decimal:
    try:
        number = Decimal(row[column])
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{column} is not a number: {row[column]!r}")
    return number


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"InvoiceDate is not YYYY-MM-DD HH:MM:SS: {text!r}") from None
    if moment.tzinfo is not None:
        raise ValueError(f"InvoiceDate is wall-clock time, without an offset: {text!r}")
    return moment.replace(tzinfo=ZONE)
