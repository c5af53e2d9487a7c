"""An export as a value: its files, and of each the SELECT, the columns and the control totals.

In: nothing. Out: values that formats render and the documents are made from. A column is written
down once, here; a test holds its SELECT to it. Each SELECT gets the same parameters: $1 the store,
$2 and $3 the range, both ends inclusive; and from $4 on what its file gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ColumnType(StrEnum):
    """What a value is, whatever the format makes of it. Money has the digits of the currency that
    stands in the same row; a file with money has the column `currency`."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    BOOLEAN = "boolean"
    MOMENT = "moment"
    DATE = "date"


class Measure(StrEnum):
    """What a control total counts or adds up. Whoever tells one, a file or the sales register, has
    to tell the same for each currency."""

    LINES = "lines"
    AMOUNT = "amount"
    AMOUNT_OF_CUSTOMERS = "amount_of_customers"
    ITEMS = "items"
    DISCOUNTS = "discounts"
    TAX = "tax"
    SHIPPING = "shipping"
    TRANSACTIONS = "transactions"
    PAYMENTS = "payments"
    FORECAST = "forecast"


# The others are amounts of money.
COUNTS = frozenset({Measure.LINES, Measure.TRANSACTIONS})


@dataclass(frozen=True, slots=True)
class Column:
    """`meaning` is for the reader of the documents. `plain_if` is a boolean column that the SELECT
    has beside those of the file: where it is true, a spreadsheet would not run this text."""

    name: str
    type: ColumnType
    meaning: str
    plain_if: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """`select` has the column by which the file is ranged, and `columns` of the file, for a range:
    $1 to $3 as above, $4 behind which value it begins, $5 with which it ends; either may be NULL.
    Where it has no row nothing was found."""

    select: str
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One table of an export. `name` has no ending: the format adds its own.

    `totals` says which columns are added up, by currency, as its control totals; "" counts rows.
    Where there is a column `counted`, only rows in which it is true are. A file that
    `is_aggregate` has few rows made of many; others have about as many as were recorded. One that
    `is_register` shows the lines of the sales register: what is found of one is found of both.

    `ranged_by` is the column by which its rows are ordered first, never missing, and as an index
    has it: a large file is then read in ranges of it, over several connections. `cuts` says where
    they end: $1 to $3 as above, $4 where the last one ended or NULL, $5 how many rows to pass over.
    `joined` tells for a range at once what `query` looks up row by row.
    """

    name: str
    query: str
    columns: tuple[Column, ...]
    about: str = ""
    parameters: tuple[str, ...] = ()
    totals: Mapping[Measure, str] = field(default_factory=dict)
    counted: str = ""
    is_aggregate: bool = False
    is_register: bool = False
    ranged_by: str = ""
    cuts: str = ""
    joined: Joined | None = None

    @property
    def select(self) -> str:
        """The SELECT to copy. That of an aggregate tells its totals while it is read, because
        computing few rows from many a second time costs as much as the first."""
        return _telling(self) if self.is_aggregate and self.totals else self.query

    @property
    def beside(self) -> tuple[str, ...]:
        """The columns of the SELECT that are not the file's."""
        return tuple(sorted({column.plain_if for column in self.columns if column.plain_if}))

    @property
    def setting(self) -> str:
        """Where a SELECT that tells its totals leaves them, as JSON, for its transaction."""
        return f"tallyport.told_{self.name}"


@dataclass(frozen=True, slots=True)
class Export:
    """All files are read from one snapshot. `packed` exports are a zip, however small, and the last
    file in it is a manifest."""

    name: str
    files: tuple[ExportFile, ...]
    about: str = ""
    packed: bool = False


def value(column: Column, table: str = "source") -> str:
    """SQL for the column's value in a row of the SELECT, before any format: money with at least
    the digits of its currency, everything else as it is."""
    if column.type is ColumnType.MONEY:
        return f'export_money({table}."{column.name}", {table}."currency")'
    return f'{table}."{column.name}"'


def totals_select(file: ExportFile, source: str = "") -> str:
    """SQL for the file's control totals by currency, and its rows; over a query of this name, or
    over the file's own."""
    counted = f" FILTER (WHERE {file.counted})" if file.counted else ""
    totals = ""
    for measure, column in file.totals.items():
        total = f"coalesce(sum({column}){counted}, 0)" if column else f"count(*){counted}"
        shown = f"({total})::bigint" if measure in COUNTS else f"export_money({total}, currency)"
        totals += f", {shown} AS {measure}"
    return (
        f"SELECT currency, count(*) AS rows{totals}"  # noqa: S608 - our own names
        f" FROM {source or f'({unordered(file.query)})'} AS source"
        ' GROUP BY currency ORDER BY currency COLLATE "C"'
    )


def bare(select: str) -> str:
    """The statement without its end, to stand in brackets; on lines of its own, for it may end in
    a comment."""
    return f"\n{select.rstrip().rstrip(';')}\n"


def unordered(select: str) -> str:
    """The rows of a statement in whatever order is cheapest, as sums do not mind: without the ORDER
    BY at its end, to stand in brackets."""
    rows, _, order = bare(select).rpartition("\n ORDER BY ")
    return f"{rows}\n" if rows and order.count("(") == order.count(")") else bare(select)


def _telling(file: ExportFile) -> str:
    # Of no rows nothing is told: then the join reads nothing.
    return f"""
        WITH written AS MATERIALIZED (
        {bare(file.query)}
        ), told AS MATERIALIZED (
            SELECT set_config('{file.setting}', jsonb_agg(to_jsonb(totals))::text, true)
              FROM ({totals_select(file, "written")}) AS totals
        )
        SELECT written.* FROM told, written"""  # noqa: S608 - our own names
