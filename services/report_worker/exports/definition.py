"""An export as a value: its files, and of each the SELECT and the columns.

In: nothing. Out: values that formats render and the documents are made from. A column is written
down once, here; a test holds its SELECT to it. Each SELECT gets the same parameters: $1 the store,
$2 and $3 the range, both ends inclusive.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """What a value is, whatever the format makes of it."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    MOMENT = "moment"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Column:
    """`meaning` is for the reader of the documents."""

    name: str
    type: ColumnType
    meaning: str


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One table of an export. `name` has no ending: the format adds its own."""

    name: str
    select: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Export:
    """All files are read from one snapshot. `packed` exports are a zip, however small."""

    name: str
    files: tuple[ExportFile, ...]
    packed: bool = False
