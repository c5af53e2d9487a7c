"""CSV as PostgreSQL writes it, with the ends of records that RFC 4180 wants.

In: a file of an export, and what COPY makes of it. Out: RFC 4180 with a header, CRLF, and nothing
where a value is missing. The bytes of values are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.report_worker.exports.definition import Column, ColumnType, ExportFile, value
from services.report_worker.formats.format import Write
from services.report_worker.pieces import FilePieces
from shared.database.copied_csv import COPY_OPTIONS, CRLF, RECORD_END, Records
from shared.database.queries import load_expressions

_SQL = load_expressions(__file__)
# Formulas are defused in text only: a negative amount stays a number.
_RENDERED = {
    ColumnType.TEXT: _SQL["text"],
    ColumnType.NUMBER: "{value}",
    ColumnType.MONEY: "{value}",
    ColumnType.BOOLEAN: "({value})::text",
    ColumnType.MOMENT: _SQL["moment"],
    ColumnType.DATE: "{value}",
}
# COPY puts a text in quotes that looks like what it writes for NULL. By default that is every empty
# one, so these have to become NULL, which costs as much as looking for formulas. Where rows say
# that they are plain, nothing is NULL instead.
_NOTHING_IS_NULL = {**COPY_OPTIONS, "null": r"\N"}


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
        return _NOTHING_IS_NULL if self._file.beside else COPY_OPTIONS

    def select(self, rows: str) -> str:
        """Every value in its order, and the end of the record."""
        rendered = [_rendered(column) for column in self._file.columns]
        if self._file.beside:
            rendered = [_SQL["present"].format(value=one) for one in rendered]
        values = ", ".join(rendered)
        return f"SELECT {values}, {RECORD_END} {rows}"

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
    rendered = _RENDERED[column.type].format(value=value(column))
    if not column.plain_if:
        return rendered
    return _SQL["text_unless_plain"].format(
        plain_if=column.plain_if, value=value(column), guarded=rendered
    )
