"""One dead letter, as an operator sees it.

In: a delivery from the dead-letter queue, put there by us (`dead_letters`) or by the broker itself
(`x-death`). Out: `DeadLetter`: what it is, where it came from, why and when it died, and its body.
Nothing here trusts a header.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from shared.errors import MalformedError
from shared.messaging.codec import parse
from shared.messaging.dead_letters import DIED_AT, KIND, QUEUE, REASON, REASON_CODE
from shared.telemetry import redact

ID_DIGITS = 16
TEXT_CHARS_MAX = 1_000
# How often the desk has sent it on: one that dies again and again is seen by it.
REDRIVES = "tallyport-redrives"
REDRIVEN_BY = "tallyport-redriven-by"
REDRIVEN_AT = "tallyport-redriven-at"
X_DEATH = "x-death"
_PROPERTIES = (
    *("message_id", "message_type", "content_type", "content_encoding", "correlation_id"),
    *("reply_to", "app_id", "user_id", "expiration", "priority", "delivery_mode", "timestamp"),
)
# The broker's own counts of deliveries; of no meaning for a copy.
DELIVERY_COUNTS = ("x-delivery-count", "x-acquired-count")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`letter_id` names this one at the desk: it is the same at every look, and differs from that
    of the same message when it dies again. `message_id` is the producer's, if it wrote any."""

    letter_id: str
    message_id: str | None
    queue: str | None
    kind: str | None
    store_id: int | None
    reason_code: str
    reason: str
    died_at: datetime | None
    deaths: int
    redrives: int
    deliveries: int
    body_bytes: int

    def as_data(self) -> dict[str, Any]:
        """For JSON and tables, without what only the broker counts."""
        return {
            "id": self.letter_id,
            "message_id": _without_secrets(self.message_id),
            "queue": self.queue,
            "kind": self.kind,
            "store_id": self.store_id,
            "reason_code": self.reason_code,
            "reason": self.reason,
            "died_at": self.died_at,
            "deaths": self.deaths,
            "redrives": self.redrives,
            "body_bytes": self.body_bytes,
        }


def read_dead_letter(message: DeliveredMessage) -> DeadLetter:
    """What a delivery from the dead-letter queue says of itself."""
    properties = message.header.properties
    headers = properties.headers or {}
    death = _last_death(headers)
    content = _content(message.body)
    return DeadLetter(
        letter_id=_letter_id(message),
        message_id=_text(properties.message_id),
        queue=_text(headers.get(QUEUE)) or _text(death.get("queue")),
        kind=_text(headers.get(KIND)) or _text(properties.message_type) or content.get("kind"),
        store_id=content.get("store_id"),
        reason_code=_text(headers.get(REASON_CODE)) or _text(death.get("reason")) or "unknown",
        reason=redact(_text(headers.get(REASON)) or _broker_reason(death)),
        died_at=_moment(headers.get(DIED_AT)) or _moment(death.get("time")),
        deaths=max(1 + _count(headers.get(REDRIVES)), _count(death.get("count"))),
        redrives=_count(headers.get(REDRIVES)),
        deliveries=max(_count(headers.get(name)) for name in DELIVERY_COUNTS),
        body_bytes=len(message.body),
    )


def readable_headers(properties: Basic.Properties) -> dict[str, Any]:
    """All headers, as values that JSON has a word for, without secrets."""
    return {
        name: _without_secrets(_readable(value))
        for name, value in (properties.headers or {}).items()
    }


def readable_properties(properties: Basic.Properties) -> dict[str, str]:
    """Those that are set, besides the headers; without secrets."""
    found = {name: _text(str(getattr(properties, name, None) or "")) for name in _PROPERTIES}
    return {name: redact(value) for name, value in found.items() if value is not None}


def _without_secrets(value: Any) -> Any:
    """The same with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_without_secrets(one) for one in value]
    if isinstance(value, dict):
        return {name: _without_secrets(one) for name, one in value.items()}
    return value


def _letter_id(message: DeliveredMessage) -> str:
    """Of what makes it this one: its body, its producer's id, where and when it died."""
    headers = message.header.properties.headers or {}
    death = _last_death(headers)
    marks = (
        message.header.properties.message_id,
        *(headers.get(name) for name in (QUEUE, DIED_AT, KIND, REDRIVES)),
        *(death.get(name) for name in ("queue", "time", "reason")),
    )
    digest = hashlib.sha256("\x1f".join(str(_readable(mark)) for mark in marks).encode())
    digest.update(message.body)
    return digest.hexdigest()[:ID_DIGITS]


def _last_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The newest entry of the broker's own history; it writes the newest first."""
    history = headers.get(X_DEATH)
    first = history[0] if isinstance(history, list) and history else None
    return first if isinstance(first, dict) else {}


def _broker_reason(death: Mapping[str, Any]) -> str:
    if not death:
        return "nobody wrote down why"
    return f"put away by the broker itself: {_text(death.get('reason')) or 'unknown'}"


def _content(body: bytes) -> dict[str, Any]:
    """The two fields that every message of ours has, where they are what they should be."""
    try:
        value = parse(body)
    except MalformedError:
        return {}
    if not isinstance(value, dict):
        return {}
    store_id = value.get("store_id")
    return {
        "kind": _text(value.get("kind")),
        "store_id": store_id if type(store_id) is int and 0 < store_id < 2**63 else None,
    }


def _text(value: object) -> str | None:
    if isinstance(value, bytes | bytearray):
        value = value.decode(errors="replace")
    if not isinstance(value, str) or not value:
        return None
    # What a terminal, or PostgreSQL, would stumble over.
    shown = "".join(char if char.isprintable() else "\ufffd" for char in value[:TEXT_CHARS_MAX])
    return shown.encode(errors="replace").decode()


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < 2**31 else 0


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    text = _text(value)
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and not found.tzinfo else found


def _readable(value: object) -> Any:
    if isinstance(value, bool | int | float | type(None)):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_readable(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _readable(one) for name, one in value.items()}
    return _text(value if isinstance(value, bytes | bytearray | str) else str(value))
