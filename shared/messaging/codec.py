"""A message as the bytes that travel, and back.

Comes in: a `Message`, or a body that anybody may have written. Goes out: JSON, or a validated
message; what is wrong with a body is told field by field.
"""

from __future__ import annotations

from typing import Any, TypeVar

import jiter
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.contracts.failures import FailureDetail
from shared.contracts.message import Contract, Message
from shared.errors import InvalidArgumentError, MalformedError

DETAILS_MAX = 20
REASON_CHARS_MAX = 500

M = TypeVar("M", bound=Contract)


def encode(message: Message) -> bytes:
    """The message as UTF-8 JSON."""
    return message.to_json()


def decode(body: bytes, message_class: type[M]) -> M:
    """The message in a body. Raises MalformedError when it is not JSON, InvalidArgumentError
    with at most `DETAILS_MAX` details when a value in it is not allowed."""
    return validate(parse(body), message_class)


def parse(body: bytes) -> Any:
    """JSON as Python values, fractions as exact Decimals. Raises MalformedError."""
    try:
        # Not pydantic's own JSON parser: it sends fractions through binary floating point, and
        # 0.1 + 0.2 of somebody's money would arrive as something else.
        # Few values come twice: looking for them costs more than it saves.
        return jiter.from_json(body, float_mode="decimal", allow_inf_nan=False, cache_mode="keys")
    except ValueError as error:
        raise MalformedError(f"the body is not JSON: {str(error)[:REASON_CHARS_MAX]}") from None


def validate(value: object, message_class: type[M]) -> M:
    """The value as a message of this class. Raises InvalidArgumentError."""
    try:
        return message_class.model_validate(value)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> InvalidArgumentError:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    # When every item of a list is wrong, pydantic adds that the list is too short without them.
    found = [one for one in found if one["type"] != "too_short" or not _holds(one["loc"], found)]
    details = tuple(_detail(one["loc"], one["msg"]) for one in found[:DETAILS_MAX])
    first = details[0]
    message = f"{first.field}: {first.reason}" if first.field else first.reason
    if len(found) > 1:
        message += f" (and {len(found) - 1} more)"
    return InvalidArgumentError(message, details=details)


def _holds(location: tuple[int | str, ...], errors: list[ErrorDetails]) -> bool:
    """Whether one of the errors is about something inside of what is at the location."""
    depth = len(location)
    return any(len(one["loc"]) > depth and one["loc"][:depth] == location for one in errors)


def _detail(location: tuple[int | str, ...], reason: str) -> FailureDetail:
    return FailureDetail(
        index=next((part for part in location if isinstance(part, int)), None),
        field=".".join(str(part) for part in location)[:REASON_CHARS_MAX] or None,
        reason=reason.removeprefix("Value error, ")[:REASON_CHARS_MAX],
    )
