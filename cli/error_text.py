"""Why the service said no, in its own words.

Comes in: a status and a body, in either family of errors: `{"error": "..."}` with optional
`errors`, or vnd.error. Goes out: the reasons as lines of text, never an empty list.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import jiter

SHOWN_CHARACTERS_MAX = 500
RECORDED = ("inserted", "replaced", "duplicates")
ADVICE = {
    401: "is the token (--token, TALLYPORT_TOKEN) of this service, not expired and not revoked?",
    405: "is --url (TALLYPORT_URL) the address of the service, without a path?",
}


def reasons(status: int, body: bytes) -> list[str]:
    """What is wrong, one line each, and what to do about it where that is known."""
    try:
        content = jiter.from_json(body, float_mode="decimal")
    except ValueError:
        content = None
    found = _family_of_numbers(content) or _family_of_reports(content) or [_plain(status, body)]
    if status in ADVICE:
        found.append(ADVICE[status])
    return found


def _family_of_numbers(content: Any) -> list[str]:
    if not isinstance(content, dict) or not isinstance(content.get("error"), str):
        return []
    found = [content["error"]]
    details = content.get("errors")
    for detail in details if isinstance(details, list) else []:
        line = _detail(detail)
        # The message often is its only detail; saying it twice helps nobody.
        if line and line not in found[0]:
            found.append(line)
    if any(content.get(name) for name in RECORDED):
        counts = ", ".join(f"{content[name]} {name}" for name in RECORDED if name in content)
        found.append(f"before that: {counts}; sending all of it again changes nothing of these")
    return found


def _detail(detail: Any) -> str:
    if not isinstance(detail, dict):
        return ""
    index = f"[{detail['index']}]" if detail.get("index") is not None else ""
    place = ".".join(part for part in (index, str(detail.get("field") or "")) if part)
    return ": ".join(part for part in (place, str(detail.get("reason") or "")) if part)


def _family_of_reports(content: Any) -> list[str]:
    if not isinstance(content, dict) or not isinstance(content.get("_embedded"), dict):
        return []
    errors = content["_embedded"].get("fx:errors")
    return [
        str(error["message"])
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, dict) and error.get("message")
    ]


def _plain(status: int, body: bytes) -> str:
    try:
        name = HTTPStatus(status).phrase
    except ValueError:
        name = "unknown status"
    text = body[:SHOWN_CHARACTERS_MAX].decode(errors="replace").strip()
    return f"{status} {name}" + (f": {text}" if text else "")
