"""The file to import: what it holds, and its bytes while somebody watches the progress.

Comes in: a path; gzip is recognised by its first bytes. Goes out: the format, and a stream of
decompressed bytes of constant size, with the position in the file as it lies on the disk.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, cast

from cli.outcomes import BadFileError, UsageError

GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 256 * 1024
HEAD_BYTES = 64 * 1024

RETAIL_COLUMNS = (
    *("InvoiceNo", "StockCode", "Description", "Quantity"),
    *("InvoiceDate", "UnitPrice", "CustomerID", "Country"),
)
ITEM_COLUMNS = frozenset({"unique_key", "amount", "originated_at"})

Advance = Callable[[int], None]


class SourceFormat(StrEnum):
    ONLINE_RETAIL = "online-retail"
    CSV = "csv"
    NDJSON = "ndjson"


class _Counted(io.RawIOBase):
    """Reads a file and tells how many bytes each read took from the disk."""

    def __init__(self, raw: io.FileIO, advance: Advance) -> None:
        self._raw = raw
        self._advance = advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        count = self._raw.readinto(buffer)  # type: ignore[arg-type]
        self._advance(count or 0)
        return count or 0


@contextmanager
def opened(path: Path, advance: Advance) -> Iterator[IO[bytes]]:
    """The file's bytes, decompressed. Raises `BadFileError` for one that cannot be read."""
    try:
        with io.FileIO(path) as raw:
            is_gzip = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            raw.seek(0)
            counted = io.BufferedReader(_Counted(raw, advance), CHUNK_BYTES)
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=counted) if is_gzip else counted)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadFileError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise BadFileError(f"{path} cannot be read: {error.strerror or error}") from None


def size(path: Path) -> int:
    """Bytes on the disk: what `opened` counts up to."""
    return path.stat().st_size


def detect(path: Path) -> SourceFormat:
    """What the file holds: by its name's end, else by its first line. Raises `UsageError`."""
    ends = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    if ends in ("ndjson", "jsonl"):
        return SourceFormat.NDJSON
    with opened(path, lambda _count: None) as source:
        head = source.read(HEAD_BYTES).decode("utf-8-sig", errors="replace")
    if head.lstrip().startswith("{"):
        return SourceFormat.NDJSON
    columns = set(next(csv.reader(io.StringIO(head)), []))
    if columns.issuperset(RETAIL_COLUMNS):
        return SourceFormat.ONLINE_RETAIL
    if columns >= ITEM_COLUMNS:
        return SourceFormat.CSV
    raise UsageError(
        f"{path} is of no known format: its first line has neither {','.join(RETAIL_COLUMNS)} "
        f"nor {','.join(sorted(ITEM_COLUMNS))}, and it is no NDJSON; say --format"
    )


def text_of(source: IO[bytes]) -> io.TextIOWrapper:
    """UTF-8 text for the csv module, a byte order mark removed."""
    return io.TextIOWrapper(cast("io.BufferedReader", source), "utf-8-sig", newline="")
