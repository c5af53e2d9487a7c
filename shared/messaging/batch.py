"""Several small messages as one: what a message costs the client library is what limits questions.

In: entries. Out: one body, and back. Only questions and their answers travel so, and only when more
than one is waiting; one alone is an ordinary message, as any other producer sends it.

An entry is two lengths (big-endian 32 bits), a head in JSON, and the body's bytes as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import MalformedError

CONTENT_TYPE_BATCH = "application/vnd.tallyport.batch"
# Enough to make the library's cost small, few enough that several aggregators share the load.
ENTRIES_MAX = 16

_LENGTHS = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a batch: the properties that matter, and its body."""

    correlation_id: str
    body: bytes
    kind: str | None
    content_type: str
    headers: Mapping[str, str]


def pack(entries: Sequence[Entry]) -> bytes:
    parts: list[bytes] = []
    for entry in entries:
        head = orjson.dumps(
            [entry.correlation_id, entry.kind, entry.content_type, {**entry.headers}]
        )
        parts += (_LENGTHS.pack(len(head), len(entry.body)), head, entry.body)
    return b"".join(parts)


def unpack(body: bytes) -> list[Entry]:
    """Raises MalformedError when it is no batch, or one of more than `ENTRIES_MAX` entries."""
    entries: list[Entry] = []
    at = 0
    try:
        while at < len(body):
            head_length, body_length = _LENGTHS.unpack_from(body, at)
            at += _LENGTHS.size
            end = at + head_length + body_length
            if end > len(body) or len(entries) == ENTRIES_MAX:
                raise MalformedError("the batch is cut off or has too many entries")
            entries.append(_entry(body[at : at + head_length], body[at + head_length : end]))
            at = end
    except (struct.error, ValueError) as error:
        raise MalformedError(f"the batch cannot be taken apart: {error}") from None
    if not entries:
        raise MalformedError("the batch is empty")
    return entries


def _entry(head: bytes, body: bytes) -> Entry:
    found: Any = orjson.loads(head)
    match found:
        case [str(correlation_id), str() | None as kind, str(content_type), dict(headers)]:
            return Entry(correlation_id, body, kind, content_type, headers)
    raise MalformedError("an entry of the batch has no proper head")
