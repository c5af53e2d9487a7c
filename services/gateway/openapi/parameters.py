"""What comes beside a body: parameters of calls, headers of answers.

Comes in: the limits that the handlers keep. Goes out: Parameter and Header objects of OpenAPI,
each written once.
"""

from __future__ import annotations

from typing import Any

from services.gateway.handlers.registers import PAGE_DEFAULT, PAGE_MAX
from shared.contracts.message import ID_MAX

_DIGITS = r"^[0-9]{1,18}$"


def path_id(what: str, name: str = "id") -> dict[str, Any]:
    """An id in the path. One that is too long for any row is as good as unknown."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": what,
        "schema": {"type": "integer", "minimum": 1, "maximum": ID_MAX},
        "example": 1,
    }


STORE = {
    "name": "Tallyport-Store",
    "in": "header",
    "description": (
        "The store that a service token acts for. Where the call names a register it may be left "
        "out. Tokens of a user have their store and need none."
    ),
    "schema": {"type": "string", "pattern": _DIGITS},
}
REQUEST_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "What the call is named in the log; made up when absent, and sent back.",
    "schema": {"type": "string", "maxLength": 64, "pattern": "^[!-~]+$"},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "The same key with the same body is answered as the first time, marked "
        "`Idempotent-Replayed: true`; with another body it is refused (422), and while the first "
        "one still runs it is 409."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "example": "january-2022",
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "An ETag of before: 304 without a body when the answer is still the same.",
    "schema": {"type": "string", "maxLength": 8_000, "pattern": '^([!-~]|"[!-~]*")+$'},
}
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The id of the last event that was heard: what it told is not told again.",
    "schema": {"type": "string", "maxLength": 64, "pattern": "^[!-~]+$"},
}
LIMIT = {
    "name": "limit",
    "in": "query",
    "description": "How many at most.",
    "schema": {"type": "integer", "minimum": 0, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
}
OFFSET = {
    "name": "offset",
    "in": "query",
    "description": "How many to pass over.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 2**31, "default": 0},
}
OF_STORE = (STORE, REQUEST_ID)


def _header(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string", **schema}}


HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": _header("What the call is named in the log.", minLength=1),
    "Location": _header("Where the new resource is.", format="uri"),
    "Idempotent-Replayed": _header("The answer is that of an earlier call.", const="true"),
    "Allow": _header("The methods there are.", pattern="^[A-Z]+(, [A-Z]+)*$"),
    "WWW-Authenticate": _header("How to say who calls.", const="Bearer"),
    "Retry-After": {
        "description": "Seconds until the same call can succeed.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit": _header(
        "How many requests the token may make at once (`r`), and after how many seconds all of "
        "them are there again (`t`); refused with 429: one.",
        pattern='^"token";r=[0-9]+;t=[0-9]+$',
    ),
    "RateLimit-Policy": _header(
        "How many requests a token may make at once (`q`), and in how many seconds as many are "
        "there again (`w`).",
        pattern='^"token";q=[0-9]+;w=[1-9][0-9]*$',
    ),
    "ETag": _header("Changes when the register does.", pattern='^"[!-~]+"$'),
    "Server-Timing": _header(
        "Milliseconds with the database; a replica where it says so.",
        pattern=r'^db;dur=[0-9.]+(;desc="replica")?$',
    ),
    "Tallyport-Plan": _header("Where the totals came from.", minLength=1),
    "Cache-Control": _header(
        "Who may keep the answer.", pattern="^private, no-(cache|store(, no-transform)?)$"
    ),
    "X-Accel-Buffering": _header("Proxies pass it on as it comes.", const="no"),
    "Link": _header("Where the next page is.", pattern='^<[^>]+>; rel="next"$'),
    "Content-Disposition": _header("What to save it as.", pattern="^attachment; "),
    "Vary": _header("What the answer depends on.", minLength=1),
}
