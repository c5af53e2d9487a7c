"""NDJSON: a record a line.

Comes in: chunks of bytes. Goes out: `Piece`s. The lines of a chunk are parsed together, at two
thirds of what they cost one by one; where that is not certain to mean the same, one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.gateway.bodies import json_reason
from services.gateway.record_piece import Piece, parse, parse_records
from shared.errors import MalformedError, TooLargeError

# Where one record could end and another begin within a line. If no line has one, and commas between
# the lines make as many objects of them as there are lines, each line is one object.
_INNER_BOUNDARY = re.compile(rb"\}[ \t\r]*+,[ \t\r]*+\{")


class Lines:
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


class JsonLines:
    """One object a line; empty lines are skipped."""

    def __init__(self, record_bytes_max: int) -> None:
        self._lines = Lines(record_bytes_max)
        self._line = 0

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        lines = self._lines.feed(chunk)
        if piece := _together(lines):
            self._line += len(lines)
            yield piece
        else:
            for line in lines:
                yield from self._one(line)

    def close(self) -> Iterator[Piece]:
        yield from self._one(self._lines.rest())

    def _one(self, line: bytes) -> Iterator[Piece]:
        self._line += 1
        if not line.strip():
            return
        try:
            record = parse(line)
        except ValueError as error:
            raise MalformedError(f"line {self._line} is not JSON: {json_reason(error)}") from None
        if not isinstance(record, dict):
            raise MalformedError(f"line {self._line} is not a JSON object")
        yield Piece([record], [len(line)])


def _together(lines: list[bytes]) -> Piece | None:
    filled = [line for line in lines if line and not line.isspace()]
    text = b"\n".join(filled)
    if not filled or _INNER_BOUNDARY.search(text):
        return None
    # A line feed is nowhere but between the lines.
    records = parse_records(text.replace(b"\n", b","), len(filled))
    return None if records is None else Piece(records, [*map(len, filled)])
