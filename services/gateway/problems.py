"""Errors as HTTP: the only place where a failure's code becomes a status and a body.

Two families (docs/http.md): `{"error": "..."}` for numbers and registers, vnd.error (HAL) for
reports. Unknown errors are loud in the log and mute in the answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import orjson
from aiohttp import web

from services.gateway.dependencies import base_url
from shared.contracts.failures import FailureCode, FailureDetail
from shared.errors import TallyportError

STATUS: dict[FailureCode, int] = {
    FailureCode.MALFORMED: 400,
    FailureCode.INVALID_ARGUMENT: 422,
    FailureCode.NOT_FOUND: 404,
    FailureCode.CONFLICT: 409,
    FailureCode.TOO_LARGE: 413,
    FailureCode.OVERLOADED: 503,
    FailureCode.UNAVAILABLE: 503,
    FailureCode.DEADLINE_EXCEEDED: 504,
    FailureCode.INTERNAL: 500,
}
# The rest of the body is still on its way, or will never come.
_ENDS_THE_CONNECTION = (408, 413)
RETRY_AFTER_SECONDS = 1.0
HAL = "application/hal+json"
_JSON = "application/json"
_REPORT_ROOTS = ("reports", "report", "users", "rels")
UNFORESEEN = "Unable to render report"


def is_hal(request: web.Request) -> bool:
    """Whether the path belongs to the family that speaks HAL and vnd.error."""
    # As it was sent: an encoded slash is part of a name, and a digit of another script is none.
    parts = request.rel_url.raw_path.strip("/").split("/")
    if parts[0] not in _REPORT_ROOTS:
        return False
    # POST /reports/item_sum and its like are the other family, whatever the name.
    is_id = len(parts) == 2 and parts[1].isascii() and parts[1].isdigit()
    return not (parts[0] == "reports" and len(parts) == 2 and not is_id)


def respond(
    request: web.Request,
    status: int,
    message: str,
    *,
    details: Sequence[FailureDetail] = (),
    headers: dict[str, str] | None = None,
    extra: dict[str, Any] | None = None,
) -> web.Response:
    """An error's answer, in the family of the request's path."""
    content: dict[str, Any]
    if is_hal(request):
        content_type = HAL
        content = _vnd_error(request, [detail.reason for detail in details] or [message])
    else:
        content_type = _JSON
        content = {"error": message, **(extra or {})}
        if details:
            content["errors"] = [detail.model_dump(exclude_none=True) for detail in details]
    response = web.Response(
        status=status, body=orjson.dumps(content), content_type=content_type, headers=headers
    )
    if status in _ENDS_THE_CONNECTION:
        response.force_close()
    return response


def _vnd_error(request: web.Request, messages: list[str]) -> dict[str, Any]:
    return {
        "total": len(messages),
        "_links": {
            "curies": [
                {"name": "fx", "href": f"{base_url(request)}/rels/{{rel}}", "templated": True}
            ]
        },
        "_embedded": {
            "fx:errors": [
                {"logref": f"id-{uuid4().hex[:16]}", "message": message} for message in messages
            ]
        },
    }


def from_error(
    request: web.Request, error: TallyportError, *, extra: dict[str, Any] | None = None
) -> web.Response:
    """The answer for an error that we foresaw."""
    headers = {}
    if error.retryable or error.retry_after_seconds is not None:
        seconds = error.retry_after_seconds or RETRY_AFTER_SECONDS
        headers["Retry-After"] = str(math.ceil(seconds))
    message = UNFORESEEN if error.code is FailureCode.INTERNAL else error.message
    return respond(
        request,
        STATUS[error.code],
        message,
        details=error.details,
        headers=headers,
        extra=extra,
    )
