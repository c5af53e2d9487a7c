"""Split a body of records into batches while it arrives: JSON array, NDJSON or CSV.

Comes in: chunks of bytes. Goes out: `Batch`es of parsed records, bounded in number and in bytes,
so that a body of any size is never held whole. Raises `MalformedError` naming the record.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from services.gateway.record_array import JsonArray
from services.gateway.record_lines import JsonLines
from services.gateway.record_piece import Piece, Record, Splitter
from services.gateway.record_rows import CsvRows

JSON = "application/json"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
CSV = "text/csv"

_SPLITTERS: dict[str, Callable[[int], Splitter]] = {
    JSON: JsonArray,
    CSV: CsvRows,
    **dict.fromkeys(NDJSON, JsonLines),
}
CONTENT_TYPES = tuple(_SPLITTERS)


@dataclass(slots=True)
class Batch:
    """Records in the order of the body; `offset` is the index of the first one in it."""

    offset: int
    records: list[Record] = field(default_factory=list)
    size_bytes: int = 0

    def take(self, piece: Piece, start: int, sizes: list[int]) -> None:
        """The records from `start` on that `sizes`, their lengths summed up, leave room for."""
        self.records += piece.records[start : start + len(sizes)]
        self.size_bytes += sizes[-1] if sizes else 0

    def next(self) -> Batch:
        return Batch(self.offset + len(self.records))


@dataclass(slots=True)
class _Batches:
    """Fills batches from pieces: at most `records_max` records and `bytes_max` bytes of JSON in
    each, but always one."""

    records_max: int
    bytes_max: int
    open: Batch = field(default_factory=lambda: Batch(0))

    def add(self, piece: Piece) -> Iterator[Batch]:
        """The batches that are full."""
        start = 0
        while start < len(piece.records):
            room = self.records_max - len(self.open.records)
            sizes = list(accumulate(piece.sizes[start : start + room]))
            fits = bisect_right(sizes, self.bytes_max - self.open.size_bytes)
            if fits == 0 and not self.open.records:
                fits = 1
            self.open.take(piece, start, sizes[:fits])
            start += fits
            if fits < room and start == len(piece.records):
                return
            yield self.open
            self.open = self.open.next()


async def batches(
    chunks: AsyncIterator[bytes],
    content_type: str,
    *,
    records_max: int,
    bytes_max: int,
    record_bytes_max: int,
) -> AsyncIterator[Batch]:
    """The body's records in batches of at most `records_max`, and of at most `bytes_max` unless a
    single record is longer.

    `content_type` is one of `CONTENT_TYPES`.
    """
    splitter = _SPLITTERS[content_type](record_bytes_max)
    filled = _Batches(records_max, bytes_max)
    async for chunk in chunks:
        for piece in splitter.feed(chunk):
            for batch in filled.add(piece):
                yield batch
    for piece in splitter.close():
        for batch in filled.add(piece):
            yield batch
    if filled.open.records:
        yield filled.open
