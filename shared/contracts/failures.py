"""How a failure crosses a process boundary: a closed set of codes, and a message for people.

The wire knows codes only. `shared.errors` maps them to exceptions; the gateway alone maps them
to HTTP.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from shared.contracts.message import Contract, Message


class FailureCode(StrEnum):
    """Every way a request can fail. A new code needs a row in the gateway's table (tested)."""

    MALFORMED = "malformed"
    INVALID_ARGUMENT = "invalid_argument"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    INTERNAL = "internal"


class FailureDetail(Contract):
    """One thing that is wrong. `index` counts from 0 in the batch as it was sent."""

    index: int | None = None
    field: str | None = None
    reason: str


class Failure(Message):
    """The reply to a request that was not fulfilled. Nothing of it was done unless said so."""

    kind: Literal["failure.v1"] = "failure.v1"
    code: FailureCode
    message: str
    details: tuple[FailureDetail, ...] = ()
    retry_after_seconds: float | None = Field(default=None, ge=0)
