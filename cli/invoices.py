"""Lines in any order come back as invoices and customers.

Comes in: `Line`s of an online-retail file. Goes out: the contracts `Transaction` and `Customer`,
sorted by id, the same for the same file. The grouping is done by SQLite in a temporary file that
nobody sees and that is gone at the end: a million lines need no more memory than a thousand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Self

from pydantic import ValidationError

from cli.online_retail import CANCELLATION, CURRENCY, Line
from cli.outcomes import BadFileError
from shared.contracts.recording import (
    Address,
    Customer,
    Transaction,
    TransactionItem,
    TransactionType,
)

SCHEMA = """
CREATE TABLE lines (
    line INTEGER PRIMARY KEY, invoice TEXT, sku TEXT, name TEXT, quantity TEXT, price TEXT,
    epoch INTEGER, moment TEXT, customer_id TEXT, country TEXT
)
"""
# SQLite promises that bare columns beside a single min() come from the row that has it.
CUSTOMERS = """
SELECT customer_id, country, moment, min(epoch) FROM lines WHERE customer_id IS NOT NULL
 GROUP BY customer_id ORDER BY customer_id
"""
INVOICES = """
SELECT invoice, moment, epoch, customer_id, country, sku, name, quantity, price FROM lines
 ORDER BY invoice, line
"""


class Invoices:
    """The lines of one file."""

    def __init__(self, lines: Iterable[Line]) -> None:
        """Read all lines; numbers stay as they were written."""
        self.lines = 0
        # The empty name: a private database in a temporary file, removed when it is closed.
        self._connection = sqlite3.connect("")
        try:
            with self._connection:
                self._connection.execute(SCHEMA)
                self._connection.executemany(
                    "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rows(lines)
                )
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _rows(self, lines: Iterable[Line]) -> Iterator[tuple[object, ...]]:
        for line in lines:
            self.lines += 1
            yield (
                *(self.lines, line.invoice, line.sku, line.name),
                *(str(line.quantity), str(line.price)),
                *(int(line.moment.timestamp()), line.moment.isoformat()),
                *(line.customer_id, line.country),
            )

    def counts(self) -> tuple[int, int]:
        """(customers, transactions)."""
        row = self._connection.execute(
            "SELECT count(DISTINCT customer_id), count(DISTINCT invoice) FROM lines"
        ).fetchone()
        return int(row[0]), int(row[1])

    def customers(self) -> Iterator[Customer]:
        """Each customer once, created with its first invoice, at home where that one went."""
        for customer_id, country, moment, _epoch in self._connection.execute(CUSTOMERS):
            try:
                yield Customer(
                    id=customer_id,
                    date_created=datetime.fromisoformat(moment),
                    default_billing_address=Address(country=country),
                )
            except ValidationError as error:
                raise BadFileError(f"customer {customer_id}: {_first(error)}") from None

    def transactions(self) -> Iterator[Transaction]:
        """Each invoice once, its lines in the order of the file."""
        rows = self._connection.execute(INVOICES)
        for invoice, lines in groupby(rows, key=lambda row: row[0]):
            try:
                yield _transaction(invoice, list(lines))
            except ValidationError as error:
                raise BadFileError(f"invoice {invoice}: {_first(error)}") from None


def _transaction(invoice: str, lines: list[tuple[str, ...]]) -> Transaction:
    # A few invoices were typed for over a minute: they bear the time at which that began.
    _, moment, _, customer_id, country, *_ = min(lines, key=lambda line: line[2])
    cancelled = invoice.startswith(CANCELLATION)
    return Transaction(
        id=invoice,
        customer_id=customer_id,
        transaction_date=datetime.fromisoformat(moment),
        type=TransactionType.CANCELLATION if cancelled else TransactionType.SALE,
        currency=CURRENCY,
        country=country,
        items=tuple(
            TransactionItem.model_validate(
                {"sku": sku, "name": name, "quantity": quantity, "price": price}
            )
            for *_, sku, name, quantity, price in lines
        ),
    )


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
