"""Why the service said no.

Comes in: a status, headers and a body in either family of errors: `{"error": "..."}` with optional
`errors`, or vnd.error. Goes out: a `RefusedError` of the right class.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from tallyport_client.errors import Problem, RefusedError, refused

SHOWN_CHARACTERS_MAX = 500
RECORDED = ("inserted", "replaced", "duplicates")


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, *, attempts: int = 1
) -> RefusedError:
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    content = content if isinstance(content, dict) else {}
    problems = _of_reports(content)
    if problems:
        message = problems[0].message
    elif isinstance(content.get("error"), str):
        message, problems = content["error"], problems_in(content.get("errors"))
    else:
        message = _plain(status, body)
    recorded = {name: content[name] for name in RECORDED if isinstance(content.get(name), int)}
    return refused(
        status,
        message,
        problems,
        recorded=recorded,
        retry_after=seconds_asked(headers),
        request_id=headers.get("X-Request-Id"),
        attempts=attempts,
        body=body,
    )


def problems_in(details: Any) -> tuple[Problem, ...]:
    """Of `errors`, and of the `details` of a failure on the queue."""
    return tuple(
        Problem(str(one["reason"]), None, one.get("index"), one.get("field"))
        for one in (details if isinstance(details, list) else [])
        if isinstance(one, dict) and one.get("reason")
    )


def seconds_asked(headers: Mapping[str, str]) -> float | None:
    """What `Retry-After` says: seconds, or a date."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _of_reports(content: dict[str, Any]) -> tuple[Problem, ...]:
    embedded = content.get("_embedded")
    errors = embedded.get("fx:errors") if isinstance(embedded, dict) else None
    return tuple(
        Problem(str(one["message"]), one.get("logref"))
        for one in (errors if isinstance(errors, list) else [])
        if isinstance(one, dict) and one.get("message")
    )


def _plain(status: int, body: bytes) -> str:
    try:
        name = HTTPStatus(status).phrase
    except ValueError:
        name = "unknown status"
    text = body[:SHOWN_CHARACTERS_MAX].decode(errors="replace").strip()
    return f"{status} {name}" + (f": {text}" if text else "")
