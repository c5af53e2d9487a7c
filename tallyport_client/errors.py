"""What can go wrong, one class for each thing that a caller does something different about.

Comes in: what was found. Goes out: exceptions, all of them `ClientError`. What the service said no
to is a `RefusedError` with the service's own words; the class tells the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class ClientError(Exception):
    """Anything that this package raises about the world, as opposed to wrong arguments."""


class UnreachableError(ClientError):
    """Nobody answers, or the connection broke and was not to be mended in time. `may_be_done`: the
    request was on its way, so that the service may have done what it asks."""

    def __init__(self, message: str, *, may_be_done: bool = False) -> None:
        super().__init__(message)
        self.may_be_done = may_be_done


class TimedOutError(ClientError):
    """The deadline passed. What was asked for may still be done."""


class NotTallyportError(ClientError):
    """Somebody answers, in a way that this service does not."""


class DamagedFileError(ClientError):
    """The bytes that came are not those that were promised."""


class ReportFailedError(ClientError):
    """The report ended in `error`. `code` is the service's, such as `control_totals_disagree`."""

    def __init__(self, report_id: int, code: str, message: str) -> None:
        super().__init__(f"report {report_id} failed: {message} ({code})")
        self.report_id = report_id
        self.code = code
        self.message = message


class ReportRemovedError(ClientError):
    """The report was removed while it was waited for, or its file is no longer kept."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `logref` finds it in the service's log; `index` counts from 0 over
    all the records of the call."""

    message: str
    logref: str | None = None
    index: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        place = ".".join(
            part
            for part in ("" if self.index is None else f"[{self.index}]", self.field or "")
            if part
        )
        return f"{place}: {self.message}" if place else self.message


class RefusedError(ClientError):
    """The service answered, and the answer is no: `status`, and `problems` in its own words.

    `recorded` says what of a body of records was committed before the problem; sending all of it
    again changes nothing of that. `retry_after` are the seconds that the service asked for.
    `attempts` is how often the request was sent.
    """

    def __init__(
        self,
        status: int,
        message: str,
        problems: tuple[Problem, ...] = (),
        *,
        recorded: Mapping[str, int] | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        attempts: int = 1,
        body: bytes = b"",
    ) -> None:
        # The message often is its only problem; saying it twice helps nobody.
        told = [message, *(text for text in map(str, problems) if text not in message)]
        super().__init__("\n".join(told))
        self.status = status
        self.message = message
        self.reasons = tuple(told)
        self.problems = problems
        self.recorded = dict(recorded or {})
        self.retry_after = retry_after
        self.request_id = request_id
        self.attempts = attempts
        self.body = body


class MalformedError(RefusedError):
    """400, 415: the body cannot be read."""


class UnauthorizedError(RefusedError):
    """401: no valid token."""


class ForbiddenError(RefusedError):
    """403: the token lacks a scope."""


class NotFoundError(RefusedError):
    """404: it does not exist, or is not yours."""


class ConflictError(RefusedError):
    """409: it contradicts what is there."""


class TooLargeError(RefusedError):
    """413: a body or a record over its limit."""


class InvalidError(RefusedError):
    """422: it was read, and a value in it is not allowed."""


class BusyError(RefusedError):
    """429, 503: too much to do, also after all that was tried within the deadline."""


class DeadlineExceededError(RefusedError):
    """504: not within the service's own deadline."""


class InternalError(RefusedError):
    """500: a mistake of the service; `request_id` finds it in its log."""


_BY_STATUS: dict[int, type[RefusedError]] = {
    400: MalformedError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    415: MalformedError,
    422: InvalidError,
    429: BusyError,
    500: InternalError,
    503: BusyError,
    504: DeadlineExceededError,
}


def refused(status: int, message: str, problems: tuple[Problem, ...], **more: Any) -> RefusedError:
    """The class that belongs to the status."""
    return _BY_STATUS.get(status, RefusedError)(status, message, problems, **more)


class BrokerRefusedError(ClientError):
    """The broker does not let us in."""


class UnroutableError(ClientError):
    """The broker has no queue for the message: it was given back, and nothing was done."""


class MessageRefusedError(ClientError):
    """The reply to a message was `failure.v1`. `code` is the service's: `invalid_argument`,
    `conflict`, `overloaded` and so on; docs/messages.md has them. `recorded` says what the messages
    before it, of the same call, have committed."""

    def __init__(
        self,
        code: str,
        message: str,
        problems: tuple[Problem, ...],
        retry_after: float | None,
        *,
        recorded: Mapping[str, int] | None = None,
    ) -> None:
        told = [message, *(text for text in map(str, problems) if text not in message)]
        super().__init__("\n".join(told))
        self.code = code
        self.message = message
        self.problems = problems
        self.retry_after = retry_after
        self.recorded = dict(recorded or {})
