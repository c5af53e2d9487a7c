"""Server-sent events, as the service sends them.

Comes in: lines of a response. Goes out: events with a name; comments and `retry` are used up here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    id: str
    data: bytes


async def events_in(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """Until the stream ends; an event that was cut off is none."""
    fields: dict[str, bytes] = {}
    async for line in response.content:
        text = line.rstrip(b"\r\n")
        if not line.endswith(b"\n"):
            return
        if text:
            name, _, value = text.partition(b":")
            key, value = name.decode(errors="replace"), value.removeprefix(b" ")
            if key == "data" and key in fields:
                value = fields[key] + b"\n" + value
            fields[key] = value
            continue
        if "data" in fields:
            yield Event(
                fields.get("event", b"message").decode(errors="replace"),
                fields.get("id", b"").decode(errors="replace"),
                fields["data"],
            )
        fields = {}
