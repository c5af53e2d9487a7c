"""CSV as COPY writes it, made RFC 4180: CRLF at the end of a record, and only there.

In: the bytes of a COPY whose SELECT has `RECORD_END` as its last column, in whatever pieces they
come. Out: whole records.

How: that column is a full stop, and COPY is told to quote it. Thus a record, and nothing else, ends
in `,"."` and a newline: the quotation marks of a value are doubled, so that of these two the first
can only open one and the second only close it, and where a record goes on, no newline follows. A
newline inside a value stays what it is. Splitting at it and joining again takes two thirds of the
time of replacing it, and tells how many records there were.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_NAME = "record_end"
RECORD_END = f"'.' AS {_NAME}"
# Arguments of the driver's `copy_from_query`.
COPY_OPTIONS: Mapping[str, Any] = MappingProxyType({"format": "csv", "force_quote": [_NAME]})
CRLF = b"\r\n"
_END = b',"."\n'


class Records:
    """The records of one COPY."""

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
        records = data.split(_END)
        self.rows += len(records) - 1  # there is nothing behind the last one's end
        return CRLF.join(records)

    def finish(self) -> None:
        """Raises `ValueError` when a record was not whole."""
        if self._rest:
            raise ValueError(f"{len(self._rest)} bytes are left over behind the last record")
