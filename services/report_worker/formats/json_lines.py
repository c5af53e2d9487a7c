"""JSON lines: an object a row, a line each, as PostgreSQL writes them.

In: a file of an export. Out: UTF-8, a line feed behind each object, and no header: the names are in
every line. Numbers are exact, times ISO 8601 with the offset of the store's zone, what is missing
is null. Texts are as they were recorded: nothing runs a formula in JSON.

How: JSON holds no control character as it is, so with two of them for quote and delimiter COPY's
CSV is the plain text. There is nothing left to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.report_worker.exports.definition import ExportFile, value
from services.report_worker.formats.format import Write
from services.report_worker.pieces import FilePieces

_COPY = {"format": "csv", "quote": "\x01", "delimiter": "\x02", "null": "missing"}


class JsonLines:
    """The format `jsonl`."""

    ending = "jsonl"
    is_compressed = False
    roomier = None

    def render(self, file: ExportFile) -> JsonText:
        return JsonText(file)


class JsonText:
    """A file as JSON lines."""

    copy_options: Mapping[str, Any] = _COPY

    def __init__(self, file: ExportFile) -> None:
        self._file = file

    def select(self, rows: str) -> str:
        values = ", ".join(f'{value(column)} AS "{column.name}"' for column in self._file.columns)
        return (
            "SELECT row_to_json(rendered) FROM ("  # noqa: S608 - names and expressions of ours
            f"SELECT {values} {rows}) AS rendered"
        )

    def write(self, pieces: FilePieces, write: Write) -> None:
        for chunk in pieces.chunks():
            pieces.rows += chunk.count(b"\n")
            write(chunk)
