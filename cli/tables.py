"""Tables for people.

Comes in: column names and rows of plain values. Goes out: a rich table, numbers to the right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from rich.table import Table
from rich.text import Text


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of texts, numbers, times (shown in UTC), lists and None (shown empty)."""
    cells = [list(row) for row in rows]
    shown = Table(title=Text(title), title_justify="left")
    for index, column in enumerate(columns):
        values = [row[index] for row in cells]
        numeric = bool(values) and all(isinstance(value, int | Decimal) for value in values)
        shown.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        # Text, not str: square brackets in a name are no markup.
        shown.add_row(*(Text(_cell(value)) for value in row))
    return shown


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, ",f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
