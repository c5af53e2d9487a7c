"""Records of any number, cut into bodies that can be sent again.

Comes in: records, from an iterable or an async one, never held whole. Goes out: batches of JSON
texts, one a record, within what the service takes at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from tallyport_client.exact import to_json

# What the service writes in one database transaction: such a batch is all or nothing.
BATCH_RECORDS = 2_000
BATCH_BYTES = 1024 * 1024

T = TypeVar("T")
Records = Iterable[T] | AsyncIterable[T]


@dataclass(frozen=True, slots=True)
class Batch:
    """`first` is the index of its first record over all of them."""

    first: int
    records: tuple[bytes, ...]

    def lines(self) -> bytes:
        return b"\n".join(self.records) + b"\n"

    def array(self) -> bytes:
        return b"[" + b",".join(self.records) + b"]"


async def batches(records: Records[Mapping[str, Any]]) -> AsyncIterator[Batch]:
    first, size, held = 0, 0, list[bytes]()
    async for record in _each(records):
        text = to_json(record)
        if held and (len(held) == BATCH_RECORDS or size + len(text) > BATCH_BYTES):
            yield Batch(first, tuple(held))
            first, size, held = first + len(held), 0, []
        held.append(text)
        size += len(text)
    if held:
        yield Batch(first, tuple(held))


async def _each(records: Records[T]) -> AsyncIterator[T]:
    if isinstance(records, Mapping | str | bytes):
        raise TypeError("records are a collection of mappings, not one")
    if isinstance(records, AsyncIterable):
        async for record in records:
            yield record
    else:
        for record in records:
            yield record
