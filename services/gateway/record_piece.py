"""What a splitter makes of a part of a body: records, and how long they are in JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import jiter

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records, one behind another, and how many bytes of JSON each has."""

    records: list[Record]
    sizes: list[int]


class Splitter(Protocol):
    """Turns bytes into records; `close` says whether the body ended where it may."""

    def feed(self, chunk: bytes) -> Iterator[Piece]: ...

    def close(self) -> Iterator[Piece]: ...


def parse(json: bytes) -> Any:
    """One value, as messages are read: fractions as exact decimals. Raises ValueError."""
    return jiter.from_json(json, float_mode="decimal", allow_inf_nan=False, cache_mode="keys")


def parse_records(json: bytes, count: int) -> list[Record] | None:
    """Objects with commas between them; None if they are not so many, or something else."""
    try:
        values: list[Any] = parse(b"[%b]" % json)
    except ValueError:
        return None
    return values if len(values) == count and set(map(type, values)) == {dict} else None
