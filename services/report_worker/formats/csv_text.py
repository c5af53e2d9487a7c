"""CSV as PostgreSQL writes it, and what it writes otherwise: the end of a record.

In: a file of an export, and what COPY makes of it. Out: RFC 4180 with a header, CRLF, and nothing
where a value is missing. The bytes of values are not looked at.

How: the last column of the SELECT is a full stop, and COPY is told to quote it. Thus a record, and
nothing else, ends in `,"."` and a newline: the quotation marks of a value are doubled, so that of
these two the first can only open one and the second only close it, and where a record goes on, no
newline follows. A newline inside a value stays what it is. Replacing is one pass in C, and tells
how many records there were by how much shorter the text became.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.report_worker.exports.definition import Column, ColumnType, ExportFile, value
from services.report_worker.formats.format import Write
from services.report_worker.pieces import FilePieces
from shared.database.queries import load_expressions

_SQL = load_expressions(__file__)
CRLF = b"\r\n"
_END = b',"."\n'
_END_COLUMN = "record_end"

# Formulas are defused in text only: a negative amount stays a number.
_RENDERED = {
    ColumnType.TEXT: _SQL["text"],
    ColumnType.NUMBER: "{value}",
    ColumnType.MONEY: "{value}",
    ColumnType.BOOLEAN: "({value})::text",
    ColumnType.MOMENT: _SQL["moment"],
    ColumnType.DATE: "{value}",
}


class Csv:
    """The format `csv`."""

    ending = "csv"
    is_compressed = False
    roomier = None

    def render(self, file: ExportFile) -> CsvText:
        return CsvText(file)


class CsvText:
    """A file as CSV."""

    def __init__(self, file: ExportFile) -> None:
        self._file = file
        self._records = Records()

    @property
    def copy_options(self) -> Mapping[str, Any]:
        return {"format": "csv", "force_quote": [_END_COLUMN]}

    def select(self, rows: str) -> str:
        """Every value in its order, and the end of the record."""
        values = ", ".join(_rendered(column) for column in self._file.columns)
        return f"SELECT {values}, '.' AS {_END_COLUMN} {rows}"

    def write(self, pieces: FilePieces, write: Write) -> None:
        write(header(self._file))
        for chunk in pieces.chunks():
            if text := self._records.take(chunk):
                write(text)
            pieces.rows = self._records.rows
        self._records.finish()


def header(file: ExportFile) -> bytes:
    """The first record. Column names are plain words, so none is ever quoted."""
    return ",".join(column.name for column in file.columns).encode() + CRLF


def _rendered(column: Column) -> str:
    return _RENDERED[column.type].format(value=value(column))


class Records:
    """The records of one file, in whatever pieces they arrive."""

    def __init__(self) -> None:
        self.rows = 0
        self._rest = b""

    def take(self, data: bytes) -> bytes:
        """The whole records so far, as they go out; an unfinished one waits for the next piece."""
        if self._rest:
            data = self._rest + data
        whole = len(data) if data.endswith(_END) else data.rfind(_END) + len(_END)
        if whole < len(_END):
            self._rest = data
            return b""
        data, self._rest = data[:whole], data[whole:]
        text = data.replace(_END, CRLF)
        self.rows += (len(data) - len(text)) // (len(_END) - len(CRLF))
        return text

    def finish(self) -> None:
        """Raises `ValueError` when a record was not whole."""
        if self._rest:
            raise ValueError(f"{len(self._rest)} bytes are left over behind the last record")
