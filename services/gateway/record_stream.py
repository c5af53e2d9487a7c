"""Split a body of records into batches while it arrives: JSON array, NDJSON or CSV.

Comes in: chunks of bytes. Goes out: `Batch`es of parsed records, bounded in number and in bytes,
so that a body of any size is never held whole. Raises `MalformedError` naming the record.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from typing import Any, NoReturn, Protocol

import jiter

from services.gateway.bodies import json_reason
from shared.errors import MalformedError, TooLargeError

JSON = "application/json"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
CSV = "text/csv"

Record = dict[str, Any]


@dataclass(slots=True)
class Batch:
    """Records in the order of the body; `offset` is the index of the first one in it. `bytes` is
    about how much of the body they take: a chunk counts for the batch that it came to."""

    offset: int
    records: list[Record] = field(default_factory=list)
    bytes: int = 0

    def is_full(self, records_max: int, bytes_max: int) -> bool:
        return bool(self.records) and (len(self.records) >= records_max or self.bytes >= bytes_max)

    def next(self) -> Batch:
        return Batch(self.offset + len(self.records))


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
    """The body's records in batches of at most `records_max`, of about `bytes_max` at most.

    `content_type` is one of `CONTENT_TYPES`.
    """
    splitter = _SPLITTERS[content_type](record_bytes_max)
    batch = Batch(offset=0)
    async for chunk in chunks:
        batch.bytes += len(chunk)
        for record in splitter.feed(chunk):
            if batch.is_full(records_max, bytes_max):
                yield batch
                batch = batch.next()
            batch.records.append(record)
    for record in splitter.close():
        if batch.is_full(records_max, bytes_max):
            yield batch
            batch = batch.next()
        batch.records.append(record)
    if batch.records:
        yield batch


class _Lines:
    """Cuts chunks into lines. A line that trickles in is put together once, at its end."""

    def __init__(self, bytes_max: int) -> None:
        self._parts: list[bytes] = []
        self._bytes = 0
        self._limit = bytes_max
        self.count = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in this chunk, without their line feeds."""
        head, *others = chunk.split(b"\n")
        self._parts.append(head)
        self._bytes += len(head)
        lines = []
        if others:
            lines = [self.rest(), *others[:-1]]
            self._parts, self._bytes = [others[-1]], len(others[-1])
        self.count += len(lines)
        if self._bytes > self._limit:
            raise TooLargeError(f"line {self.count + 1} is over {self._limit} bytes")
        return lines

    def rest(self) -> bytes:
        """What came after the last line feed."""
        return b"".join(self._parts)


class _JsonLines:
    """One object a line; empty lines are skipped."""

    def __init__(self, record_bytes_max: int) -> None:
        self._lines = _Lines(record_bytes_max)
        self._line = 0

    def feed(self, chunk: bytes) -> Iterator[Record]:
        for line in self._lines.feed(chunk):
            yield from self._parse(line)

    def close(self) -> Iterator[Record]:
        yield from self._parse(self._lines.rest())

    def _parse(self, line: bytes) -> Iterator[Record]:
        self._line += 1
        if not line.strip():
            return
        try:
            record = jiter.from_json(line, float_mode="decimal", allow_inf_nan=False)
        except ValueError as error:
            raise MalformedError(f"line {self._line} is not JSON: {json_reason(error)}") from None
        if not isinstance(record, dict):
            raise MalformedError(f"line {self._line} is not a JSON object")
        yield record


class _Place(Enum):
    """Where in the array the next character belongs."""

    BEFORE = auto()
    FIRST = auto()
    ELEMENT = auto()
    AFTER_ELEMENT = auto()
    BEHIND = auto()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


class _JsonArray:
    """An array of objects. Each is decoded as soon as it is there whole.

    The standard decoder takes one value from the front of a text at the speed of C, keeps every
    digit, and ends a nesting bomb with a `RecursionError`.
    """

    _SPACE = re.compile(r"[ \t\r\n]*")

    def __init__(self, record_bytes_max: int) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
        self._text = ""
        self._place = _Place.BEFORE
        self._count = 0
        self._try_again_at = 0
        self._limit = record_bytes_max

    def feed(self, chunk: bytes) -> Iterator[Record]:
        self._text += self._decoded(chunk)
        # An object that was not whole is tried again when half as much has come on top of it, so
        # that a body which trickles in does not cost more than one that comes at once.
        if len(self._text) >= self._try_again_at:
            yield from self._take(is_last=False)

    def close(self) -> Iterator[Record]:
        self._text += self._decoded(b"", final=True)
        yield from self._take(is_last=True)
        if self._place is _Place.BEFORE:
            raise MalformedError("the body must be a JSON array")
        if self._place is not _Place.BEHIND:
            raise MalformedError("the body is not JSON: the array does not end")

    def _decoded(self, chunk: bytes, *, final: bool = False) -> str:
        try:
            return self._utf8.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise MalformedError(f"the body is not UTF-8: {error.reason}") from None

    def _take(self, *, is_last: bool) -> Iterator[Record]:
        position = 0
        self._try_again_at = 0
        while (position := self._skip_space(position)) < len(self._text):
            if self._place in (_Place.FIRST, _Place.ELEMENT) and self._text[position] == "{":
                found = self._decode(position, is_last=is_last)
                if found is None:
                    break
                record, position = found
                self._place = _Place.AFTER_ELEMENT
                self._count += 1
                yield record
            else:
                self._step(self._text[position])
                position += 1
        self._text = self._text[position:]
        if self._try_again_at:
            self._try_again_at = len(self._text) * 3 // 2

    def _skip_space(self, position: int) -> int:
        match = self._SPACE.match(self._text, position)
        return match.end() if match else position

    def _decode(self, position: int, *, is_last: bool) -> tuple[Record, int] | None:
        """The object at this position and where it ends, or None: it is not whole yet."""
        try:
            return self._json.raw_decode(self._text, position)
        except RecursionError:
            raise MalformedError(f"record {self._count} is nested too deeply") from None
        except json.JSONDecodeError as error:
            if is_last:
                raise MalformedError(f"record {self._count} is not JSON: {error.msg}") from None
            if len(self._text) - position > self._limit:
                raise TooLargeError(f"record {self._count} is over {self._limit} bytes") from None
            self._try_again_at = 1
            return None
        except (ValueError, ArithmeticError) as error:
            raise MalformedError(
                f"record {self._count} is not JSON: {json_reason(error)}"
            ) from None

    def _step(self, character: str) -> None:
        """What is between the objects: the brackets and the commas."""
        following = {
            (_Place.BEFORE, "["): _Place.FIRST,
            (_Place.FIRST, "]"): _Place.BEHIND,
            (_Place.AFTER_ELEMENT, "]"): _Place.BEHIND,
            (_Place.AFTER_ELEMENT, ","): _Place.ELEMENT,
        }.get((self._place, character))
        if following is not None:
            self._place = following
        elif self._place is _Place.BEFORE:
            raise MalformedError("the body must be a JSON array")
        elif self._place in (_Place.FIRST, _Place.ELEMENT):
            raise MalformedError(f"record {self._count} is not a JSON object")
        else:
            raise MalformedError(f"the body is not JSON: {character!r} behind record {self._count}")


class _CsvRows:
    """Rows under a header. A column that is no field of an item is a label of its `meta`."""

    _FIELDS = ("unique_key", "description", "amount", "units", "originated_at")

    def __init__(self, record_bytes_max: int) -> None:
        self._lines = _Lines(record_bytes_max)
        self._open: list[str] = []
        self._open_bytes = 0
        self._row = 0
        self._header: list[str] | None = None
        self._limit = record_bytes_max

    def feed(self, chunk: bytes) -> Iterator[Record]:
        for line in self._lines.feed(chunk):
            yield from self._line(line + b"\n")
        if self._open_bytes > self._limit:
            raise TooLargeError(f"row {self._row} is over {self._limit} bytes")

    def close(self) -> Iterator[Record]:
        if rest := self._lines.rest():
            yield from self._line(rest)
        if self._open:
            raise MalformedError(f"row {self._row} ends inside a quoted field")
        if self._header is None:
            raise MalformedError("the CSV has no header")

    def _line(self, line: bytes) -> Iterator[Record]:
        try:
            text = line.decode("utf-8-sig" if self._header is None else "utf-8")
        except UnicodeDecodeError as error:
            raise MalformedError(f"row {self._row} is not UTF-8: {error.reason}") from None
        # An odd number of quotes so far: the line break is inside a quoted field.
        is_inside = bool(self._open) != bool(text.count('"') % 2)
        self._open.append(text)
        self._open_bytes += len(line)
        if is_inside:
            return
        record = "".join(self._open)
        self._open, self._open_bytes = [], 0
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


_SPLITTERS: dict[str, Callable[[int], _Splitter]] = {
    JSON: _JsonArray,
    CSV: _CsvRows,
    **dict.fromkeys(NDJSON, _JsonLines),
}
CONTENT_TYPES = tuple(_SPLITTERS)
