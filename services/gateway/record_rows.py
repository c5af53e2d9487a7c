"""CSV: rows under a header. A column that is no field of an item is a label of its `meta`.

Comes in: chunks of bytes. Goes out: `Piece`s, as if each row had been sent as JSON.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

import orjson

from services.gateway.record_lines import Lines
from services.gateway.record_piece import Piece, Record
from shared.errors import MalformedError, TooLargeError

_FIELDS = ("unique_key", "description", "amount", "units", "originated_at")
_REQUIRED = {"unique_key", "amount", "originated_at"}


class CsvRows:
    """All cells are texts; an empty `units` is the register's."""

    def __init__(self, record_bytes_max: int) -> None:
        self._lines = Lines(record_bytes_max)
        self._open: list[str] = []
        self._open_bytes = 0
        self._row = 0
        self._header: list[str] | None = None
        self._fields: list[tuple[int, str]] = []
        self._labels: list[tuple[int, str]] = []
        self._limit = record_bytes_max

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        yield from self._rows([line + b"\n" for line in self._lines.feed(chunk)])
        if self._open_bytes > self._limit:
            raise TooLargeError(f"row {self._row} is over {self._limit} bytes")

    def close(self) -> Iterator[Piece]:
        if rest := self._lines.rest():
            yield from self._rows([rest])
        if self._open:
            raise MalformedError(f"row {self._row} ends inside a quoted field")
        if self._header is None:
            raise MalformedError("the CSV has no header")

    def _rows(self, lines: list[bytes]) -> Iterator[Piece]:
        """The rows that end in these lines. What is before a bad one is given out first."""
        items: list[Record] = []
        problem: MalformedError | None = None
        reader = csv.reader(self._whole(lines), strict=True)
        try:
            for number, cells in enumerate(reader, start=1):
                if reader.line_num != number:
                    problem = MalformedError(f"row {self._row} is not CSV: a stray quote")
                    break
                if cells and (item := self._item(cells)):
                    items.append(item)
                    self._row += 1
        except csv.Error as error:
            problem = MalformedError(f"row {self._row} is not CSV: {error}")
        except MalformedError as error:
            problem = error
        if items:
            yield Piece(items, [len(orjson.dumps(item)) for item in items])
        if problem is not None:
            raise problem

    def _whole(self, lines: list[bytes]) -> Iterator[str]:
        """The lines as texts, those of a record with line breaks in it put together."""
        for line in lines:
            text = self._text(line)
            # An odd number of quotes so far: the line break is inside a quoted field.
            is_inside = bool(self._open) != bool(text.count('"') % 2)
            if not is_inside and not self._open:
                yield text
                continue
            self._open.append(text)
            self._open_bytes += len(line)
            if not is_inside:
                record = "".join(self._open)
                self._open, self._open_bytes = [], 0
                yield record

    def _text(self, line: bytes) -> str:
        try:
            return line.decode("utf-8-sig" if self._header is None else "utf-8")
        except UnicodeDecodeError as error:
            raise MalformedError(f"row {self._row} is not UTF-8: {error.reason}") from None

    def _item(self, cells: list[str]) -> Record | None:
        if self._header is None:
            self._read_header(cells)
            return None
        if len(cells) != len(self._header):
            raise MalformedError(
                f"row {self._row} has {len(cells)} cells under {len(self._header)} columns"
            )
        item: Record = {name: cells[place] for place, name in self._fields}
        if not item.get("units"):
            item.pop("units", None)
        item["meta"] = {label: cells[place] for place, label in self._labels}
        return item

    def _read_header(self, cells: list[str]) -> None:
        if len(set(cells)) != len(cells):
            raise MalformedError("the CSV's header names a column twice")
        if missing := _REQUIRED - set(cells):
            raise MalformedError(f"the CSV's header lacks {', '.join(sorted(missing))}")
        self._header = cells
        for place, name in enumerate(cells):
            (self._fields if name in _FIELDS else self._labels).append((place, name))
