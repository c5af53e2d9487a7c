"""XLSX: a workbook of plain sheets, written front to back.

In: a file of an export. Out: one sheet after another, each with the header and as many rows as a
sheet can have; no row is left out. Numbers and booleans are such; times and dates are text as in
CSV, because a spreadsheet's own know no zone and no microseconds. `xlsx_xml` says what a workbook
cannot hold, and what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from services.report_worker.exports.definition import ColumnType, ExportFile, value
from services.report_worker.formats import xlsx_xml
from services.report_worker.formats.format import Write, whole_lines
from services.report_worker.pieces import FilePieces
from services.report_worker.zip_stream import ZipStream

# With the header.
SHEET_ROWS_MAX = 1_048_576
# A part of the archive ends at 4 GB for programs that know no other: Excel asks to repair the rest.
SHEET_BYTES_MAX = 3_000_000_000
# Every byte of a workbook depends on its content: the same rows give the same file.
_MODIFIED = datetime(1980, 1, 1, tzinfo=UTC)


class Xlsx:
    """The format `xlsx`."""

    ending = "xlsx"
    is_compressed = True
    roomier = None

    def render(self, file: ExportFile) -> Workbook:
        return Workbook(file)


class Workbook:
    """A file as a workbook."""

    copy_options: Mapping[str, Any] = {"format": "text", "null": ""}

    def __init__(
        self,
        file: ExportFile,
        *,
        sheet_rows_max: int = SHEET_ROWS_MAX,
        sheet_bytes_max: int = SHEET_BYTES_MAX,
    ) -> None:
        self._file = file
        self._sheet_rows_max = sheet_rows_max
        self._sheet_bytes_max = sheet_bytes_max

    def select(self, rows: str) -> str:
        values = ", ".join(
            f"to_jsonb({value(column)}) #>> '{{}}'"
            if column.type is ColumnType.MOMENT
            else value(column)
            for column in self._file.columns
        )
        return f"SELECT {values} {rows}"

    def write(self, pieces: FilePieces, write: Write) -> None:
        archive = ZipStream(write)
        sheets = _Sheets(self._file, archive, self._sheet_rows_max, self._sheet_bytes_max)
        for rows in self._rows(pieces):
            sheets.add(rows)
            pieces.rows = sheets.rows
        sheets.close()
        for path, content in xlsx_xml.parts(sheets.names).items():
            archive.begin(path, _MODIFIED, is_zip64=False)
            archive.write(content)
            archive.end()
        archive.close()

    def _rows(self, pieces: FilePieces) -> Iterator[list[bytes]]:
        rows, rest = xlsx_xml.Rows(self._file.columns), b""
        for chunk in pieces.chunks():
            block, rest = whole_lines(rest, chunk)
            if block:
                yield rows.render(block)
        if rest:
            raise ValueError(f"{len(rest)} bytes are left over behind the last row")


class _Sheets:
    """The sheets as they fill up."""

    def __init__(self, file: ExportFile, archive: ZipStream, rows_max: int, bytes_max: int) -> None:
        self.rows = 0
        self.names: list[str] = []
        self._file = file
        self._archive = archive
        self._rows_max = rows_max
        self._bytes_max = bytes_max
        self._room = 0
        self._bytes = 0
        self._begin()

    def add(self, rows: list[bytes]) -> None:
        """These rows, over as many sheets as it takes."""
        self.rows += len(rows)
        while rows:
            if not self._room or self._bytes > self._bytes_max:
                self._end()
                self._begin()
            fitting, rows = rows[: self._room], rows[self._room :]
            self._write(b"".join(fitting))
            self._room -= len(fitting)

    def close(self) -> None:
        self._end()

    def _begin(self) -> None:
        self.names.append(xlsx_xml.sheet_name(self._file.name, len(self.names) + 1))
        path = f"xl/worksheets/sheet{len(self.names)}.xml"
        self._archive.begin(path, _MODIFIED, is_zip64=False)
        self._bytes = 0
        self._write(xlsx_xml.SHEET_BEGIN + xlsx_xml.header_row(self._file.columns))
        self._room = self._rows_max - 1

    def _end(self) -> None:
        self._write(xlsx_xml.SHEET_END)
        self._archive.end()

    def _write(self, data: bytes) -> None:
        self._bytes += len(data)
        self._archive.write(data)
