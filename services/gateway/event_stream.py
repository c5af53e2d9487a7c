"""Server-sent events, as text: what is told of a report while it is built.

Comes in: the report's representation, or None once it is removed. Goes out: an event with a name,
an id and one line of JSON. The id is that of the state it tells: the same id, nothing new. So a
stream that is taken up again by any process, with `Last-Event-ID`, repeats nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

import orjson

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": still here\n\n"
RETRY_MILLISECONDS_MIN = 1_000
RETRY_MILLISECONDS_MAX = 3_000
_NAMES = {"queued": "progress", "ready": "ready", "error": "failed"}


@dataclass(frozen=True, slots=True)
class Event:
    """`is_last`: nothing comes after it."""

    id: str
    text: bytes
    is_last: bool


def event_of(resource: dict[str, Any] | None) -> Event:
    """The event that tells this state of a report."""
    if resource is None:
        return _event("removed", "removed", {"removed": True})
    # Without the links: one is signed anew each time, and is no news.
    state = {name: value for name, value in resource.items() if name != "_links"}
    state_id = hashlib.blake2b(orjson.dumps(state), digest_size=8).hexdigest()
    return _event(_NAMES[resource["status"]], state_id, resource)


def _event(name: str, event_id: str, content: dict[str, Any]) -> Event:
    data = orjson.dumps(content)
    text = f"event: {name}\nid: {event_id}\ndata: ".encode() + data + b"\n\n"
    return Event(event_id, text, is_last=name != "progress")


def opening() -> bytes:
    """When to come again, should the line be lost: not all callers at the same moment."""
    spread = RETRY_MILLISECONDS_MAX - RETRY_MILLISECONDS_MIN
    return f"retry: {RETRY_MILLISECONDS_MIN + secrets.randbelow(spread)}\n\n".encode()
