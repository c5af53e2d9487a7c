"""What a format is, as those see it who move its bytes.

In: a file of an export. Out: a `Rendering` of it: what PostgreSQL is to send, how COPY is to write
it, and what becomes of that in a thread. No format sees a row as Python objects where it can be
avoided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from services.report_worker.exports.definition import ExportFile
from services.report_worker.pieces import FilePieces

Write = Callable[[bytes], None]


class FormatLimitError(Exception):
    """A value that the format cannot hold exactly."""


class Rendering(Protocol):
    """One file of one report. A report that is tried again gets another one."""

    @property
    def copy_options(self) -> Mapping[str, Any]:
        """How COPY writes: arguments of the driver's `copy_from_query`."""

    def select(self, rows: str) -> str:
        """The SELECT to copy, of `rows`: a FROM clause that yields the file's rows as `source`."""

    def write(self, pieces: FilePieces, write: Write) -> None:
        """In a thread: everything that was copied, as it stands in the file. Counts the rows in
        `pieces.rows`. Raises `PipeBrokenError` when the reading side failed, `FormatLimitError`."""


class Format(Protocol):
    """`ending` is that of the file's name. What is packed already is not packed again."""

    @property
    def ending(self) -> str: ...
    @property
    def is_compressed(self) -> bool: ...

    @property
    def roomier(self) -> Format | None:
        """The same with room for larger values, to be tried after a `FormatLimitError`."""

    def render(self, file: ExportFile) -> Rendering:
        """A new rendering of the file."""


def whole_lines(rest: bytes, chunk: bytes) -> tuple[bytes, bytes]:
    """What ends in a line end, and what comes behind. COPY sends whole records, and the driver
    passes on whole messages; nothing promises that it stays so."""
    if rest:
        chunk = rest + chunk
    if chunk.endswith(b"\n"):
        return chunk, b""
    end = chunk.rfind(b"\n") + 1
    return chunk[:end], chunk[end:]
