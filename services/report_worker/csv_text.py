"""CSV as PostgreSQL writes it, and the one thing that it writes otherwise: the end of a record.

In: a file of an export. Out: its header, the SELECT that renders every value as text the way
docs/http.md says, and `Records`, which turns PostgreSQL's record ends into CRLF and counts them,
without looking at a single value.

How: the last column of the SELECT is NULL, and COPY is told to write NULL as a word drawn at random
for this file. Thus a record, and nothing else, ends in `,word` and a newline; a newline inside a
quoted value stays what it is. Replacing is one pass in C.
"""

from __future__ import annotations

import secrets
import string

from services.report_worker.exports.definition import Column, ColumnType, ExportFile, bare, value

CRLF = b"\r\n"
CONTENT_TYPE = "text/csv; charset=utf-8"
# 12 letters of 62: what a customer writes into a name does not meet them by chance, and a word that
# is drawn for each file cannot be known in advance.
_WORD_LETTERS = 12
_ALPHABET = string.ascii_letters + string.digits

# Formulas are defused in text only: a negative amount stays a number.
_RENDERED = {
    ColumnType.TEXT: "export_text({})",
    ColumnType.NUMBER: "coalesce(({})::text, '')",
    ColumnType.MONEY: "coalesce(({})::text, '')",
    ColumnType.BOOLEAN: "coalesce(({})::text, '')",
    ColumnType.MOMENT: "export_time({})",
    ColumnType.DATE: "coalesce(({})::text, '')",
}


def header(file: ExportFile) -> bytes:
    """The first record. Column names are plain words, so none is ever quoted."""
    return ",".join(column.name for column in file.columns).encode() + CRLF


def rendering_select(file: ExportFile) -> str:
    """The file's SELECT with every value as text, in its order, and the NULL at the end.

    PostgreSQL keeps the order of a subquery under a plain projection; a test watches that.
    """
    values = ", ".join(_rendered(column) for column in file.columns)
    return f"SELECT {values}, NULL FROM ({bare(file.select)}) AS source"  # noqa: S608 - our own names


def _rendered(column: Column) -> str:
    return _RENDERED[column.type].format(value(column))


class Records:
    """The records of one file, in whatever pieces they arrive."""

    def __init__(self) -> None:
        self.null = "".join(secrets.choice(_ALPHABET) for _ in range(_WORD_LETTERS))
        self.rows = 0
        self._end = f",{self.null}\n".encode()
        self._rest = b""

    def take(self, data: bytes) -> bytes:
        """The whole records so far, as they go out; an unfinished one waits for the next piece."""
        if self._rest:
            data = self._rest + data
        whole = len(data) if data.endswith(self._end) else data.rfind(self._end) + len(self._end)
        if whole < len(self._end):
            self._rest = data
            return b""
        data, self._rest = data[:whole], data[whole:]
        self.rows += data.count(self._end)
        return data.replace(self._end, CRLF)

    def finish(self, rows: int) -> None:
        """Raises `ValueError` unless exactly `rows` whole records came, as PostgreSQL counted."""
        if self._rest or self.rows != rows:
            raise ValueError(
                f"PostgreSQL sent {rows} records and {self.rows} arrived, "
                f"with {len(self._rest)} bytes left over"
            )
