"""Split a body of records into batches while it arrives: JSON array, NDJSON or CSV.

Comes in: chunks of bytes. Goes out: `Batch`es of parsed records, bounded in number and in bytes,
so that a body of any size is never held whole. Raises `MalformedError` naming the record.
"""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import ijson
import jiter

from shared.errors import MalformedError, TooLargeError

JSON = "application/json"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
CSV = "text/csv"

Record = dict[str, Any]


@dataclass(slots=True)
class Batch:
    """Records in the order of the body; `offset` is the index of the first one in it."""

    offset: int
    records: list[Record] = field(default_factory=list)
    bytes: int = 0


class _Splitter(Protocol):
    """Turns bytes into records; `close` says whether the body ended where it may."""

    def feed(self, chunk: bytes) -> Iterator[Record]: ...

    def close(self) -> Iterator[Record]: ...


async def batches(
    chunks: AsyncIterator[bytes],
    content_type: str,
    *,
    records_max: int,
    bytes_max: int,
    record_bytes_max: int,
) -> AsyncIterator[Batch]:
    """The body's records in batches of at most `records_max`, of about `bytes_max` at most."""
    splitter = _splitter(content_type, record_bytes_max)
    batch = Batch(offset=0)
    async for chunk in chunks:
        before = len(batch.records)
        for record in splitter.feed(chunk):
            batch.records.append(record)
            if len(batch.records) >= records_max:
                yield batch
                batch = Batch(batch.offset + len(batch.records))
                before = 0
        # Shares of the chunk are near enough: the limit keeps messages far below the broker's.
        batch.bytes += len(chunk) if len(batch.records) > before else 0
        if batch.bytes >= bytes_max:
            yield batch
            batch = Batch(batch.offset + len(batch.records))
    batch.records.extend(splitter.close())
    if batch.records:
        yield batch


def _splitter(content_type: str, record_bytes_max: int) -> _Splitter:
    makers: dict[str, Callable[[int], _Splitter]] = {
        JSON: _JsonArray,
        CSV: _CsvRows,
        **dict.fromkeys(NDJSON, _JsonLines),
    }
    if content_type not in makers:
        raise MalformedError(f"send one of {', '.join(makers)}, not {content_type}")
    return makers[content_type](record_bytes_max)


class _JsonLines:
    """One object a line; empty lines are skipped."""

    def __init__(self, record_bytes_max: int) -> None:
        self._rest = b""
        self._line = 0
        self._limit = record_bytes_max

    def feed(self, chunk: bytes) -> Iterator[Record]:
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > self._limit:
            raise TooLargeError(f"line {self._line + len(lines) + 1} is over {self._limit} bytes")
        for line in lines:
            yield from self._parse(line)

    def close(self) -> Iterator[Record]:
        yield from self._parse(self._rest)

    def _parse(self, line: bytes) -> Iterator[Record]:
        self._line += 1
        if not line.strip():
            return
        try:
            record = jiter.from_json(line, float_mode="decimal", allow_inf_nan=False)
        except ValueError as error:
            raise MalformedError(f"line {self._line} is not JSON: {error}") from None
        if not isinstance(record, dict):
            raise MalformedError(f"line {self._line} is not a JSON object")
        yield record


class _JsonArray:
    """An array of objects, parsed as it arrives."""

    def __init__(self, record_bytes_max: int) -> None:
        self._found = ijson.sendable_list()
        self._parser = ijson.items_coro(self._found, "item", use_float=False)
        self._is_array = False
        self._count = 0
        self._since_record = 0
        self._limit = record_bytes_max

    def feed(self, chunk: bytes) -> Iterator[Record]:
        if not self._is_array and chunk.strip():
            if not chunk.lstrip().startswith(b"["):
                raise MalformedError("the body must be a JSON array")
            self._is_array = True
        self._since_record += len(chunk)
        try:
            self._parser.send(chunk)
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise MalformedError(f"the body is not JSON: {_one_line(error)}") from None
        yield from self._take()
        if self._since_record > self._limit + len(chunk):
            raise TooLargeError(f"record {self._count} is over {self._limit} bytes")

    def close(self) -> Iterator[Record]:
        if not self._is_array:
            raise MalformedError("the body must be a JSON array")
        try:
            self._parser.close()
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise MalformedError(f"the body is not JSON: {_one_line(error)}") from None
        yield from self._take()

    def _take(self) -> Iterator[Record]:
        for record in self._found:
            if not isinstance(record, dict):
                raise MalformedError(f"record {self._count} is not a JSON object")
            self._count += 1
            self._since_record = 0
            yield record
        self._found.clear()


class _CsvRows:
    """Rows under a header. A column that is no field of an item is a label of its `meta`."""

    _FIELDS = ("unique_key", "description", "amount", "units", "originated_at")

    def __init__(self, record_bytes_max: int) -> None:
        self._rest = b""
        self._record = ""
        self._row = 0
        self._header: list[str] | None = None
        self._limit = record_bytes_max

    def feed(self, chunk: bytes) -> Iterator[Record]:
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            yield from self._line(line + b"\n")
        if len(self._rest) + len(self._record) > self._limit:
            raise TooLargeError(f"row {self._row} is over {self._limit} bytes")

    def close(self) -> Iterator[Record]:
        if self._rest:
            yield from self._line(self._rest)
        if self._record:
            raise MalformedError(f"row {self._row} ends inside a quoted field")
        if self._header is None:
            raise MalformedError("the CSV has no header")

    def _line(self, line: bytes) -> Iterator[Record]:
        try:
            text = line.decode("utf-8-sig" if self._header is None else "utf-8")
        except UnicodeDecodeError as error:
            raise MalformedError(f"row {self._row} is not UTF-8: {error.reason}") from None
        self._record += text
        # An odd number of quotes so far: the line break is inside a quoted field.
        if self._record.count('"') % 2:
            return
        record, self._record = self._record, ""
        try:
            cells = next(csv.reader([record], strict=True), [])
        except csv.Error as error:
            raise MalformedError(f"row {self._row} is not CSV: {error}") from None
        if not cells:
            return
        if self._header is None:
            self._header = self._check_header(cells)
            return
        if len(cells) != len(self._header):
            raise MalformedError(
                f"row {self._row} has {len(cells)} cells under {len(self._header)} columns"
            )
        yield self._as_item(dict(zip(self._header, cells, strict=True)))
        self._row += 1

    def _check_header(self, cells: list[str]) -> list[str]:
        if len(set(cells)) != len(cells):
            raise MalformedError("the CSV's header names a column twice")
        missing = {"unique_key", "amount", "originated_at"} - set(cells)
        if missing:
            raise MalformedError(f"the CSV's header lacks {', '.join(sorted(missing))}")
        return cells

    def _as_item(self, row: dict[str, str]) -> Record:
        item: Record = {name: row.pop(name) for name in self._FIELDS if name in row}
        if not item.get("units"):
            item.pop("units", None)
        item["meta"] = row
        return item


def _one_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else "incomplete"
