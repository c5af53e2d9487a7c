"""One tree of errors. Each class has one code for the wire and says whether a retry helps.

Comes in: what went wrong, raised where it happened. Goes out: `to_failure` for the wire and
`from_failure` back. Only the gateway turns codes into HTTP.
"""

from __future__ import annotations

from typing import ClassVar

from shared.contracts.failures import Failure, FailureCode, FailureDetail


class TallyportError(Exception):
    """Something we foresaw. `message` is for the caller; it never holds a secret."""

    code: ClassVar[FailureCode] = FailureCode.INTERNAL
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        details: tuple[FailureDetail, ...] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after_seconds = retry_after_seconds


class MalformedError(TallyportError):
    """Not JSON, not CSV, not the promised content type: it could not even be read."""

    code = FailureCode.MALFORMED


class InvalidArgumentError(TallyportError):
    """It was read, and a value in it is not allowed."""

    code = FailureCode.INVALID_ARGUMENT


class NotFoundError(TallyportError):
    """It does not exist, or is not the caller's: one answer for both."""

    code = FailureCode.NOT_FOUND


class ConflictError(TallyportError):
    """It contradicts what is there already."""

    code = FailureCode.CONFLICT


class TooLargeError(TallyportError):
    """It is over a documented limit."""

    code = FailureCode.TOO_LARGE


class OverloadedError(TallyportError):
    """There is too much to do; the same request can succeed later."""

    code = FailureCode.OVERLOADED
    retryable = True


class UnavailableError(TallyportError):
    """Something we need does not answer; the same request can succeed later."""

    code = FailureCode.UNAVAILABLE
    retryable = True


class DeadlineExceededError(TallyportError):
    """Nobody waits for the answer any more."""

    code = FailureCode.DEADLINE_EXCEEDED
    retryable = True


class InternalError(TallyportError):
    """A mistake of ours, told to the caller without its details."""

    code = FailureCode.INTERNAL


ERRORS: dict[FailureCode, type[TallyportError]] = {
    cls.code: cls
    for cls in (
        MalformedError,
        InvalidArgumentError,
        NotFoundError,
        ConflictError,
        TooLargeError,
        OverloadedError,
        UnavailableError,
        DeadlineExceededError,
        InternalError,
    )
}


def to_failure(error: TallyportError) -> Failure:
    """The error as it travels."""
    return Failure(
        code=error.code,
        message=error.message,
        details=error.details,
        retry_after_seconds=error.retry_after_seconds,
    )


def from_failure(failure: Failure) -> TallyportError:
    """The error that travelled, to be raised on this side."""
    return ERRORS[failure.code](
        failure.message,
        details=failure.details,
        retry_after_seconds=failure.retry_after_seconds,
    )
