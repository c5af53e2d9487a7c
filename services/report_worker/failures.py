"""What becomes of an error in a build: one table.

In: the exception. Out: its code, a message that whoever asked for the report can act on, and
whether another attempt can help. The exception itself goes to the log, not to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from shared.contracts.failures import FailureCode
from shared.errors import DeadlineExceededError, TallyportError
from shared.objects import PipeBrokenError


class UnsupportedReportError(Exception):
    """A report that this version of the worker cannot build; a newer one will."""


class ObjectMismatchError(Exception):
    """The store does not hold what was sent to it."""


class ControlTotalsError(Exception):
    """The report's files do not agree with one another, or with the sales register."""


@dataclass(frozen=True, slots=True)
class BuildFailure:
    """As it is kept in the report's row."""

    code: str
    message: str
    retryable: bool


UNAVAILABLE = BuildFailure(
    FailureCode.UNAVAILABLE,
    "the database or the object store did not answer; ask for the report again later",
    retryable=True,
)
TOO_SLOW = BuildFailure(
    FailureCode.DEADLINE_EXCEEDED,
    "the report takes longer than a report may; ask for a shorter range",
    retryable=False,
)
OVERLOADED = BuildFailure(
    FailureCode.OVERLOADED,
    "the database has no room for the report now; ask for it again later, or for a shorter range",
    retryable=True,
)
NOT_STORED = BuildFailure(
    "object_mismatch",
    "the object store did not keep what was written; ask for the report again later",
    retryable=True,
)
UNSUPPORTED = BuildFailure(
    "unsupported_report",
    "no worker that can build this kind of report is running; ask for it again later",
    retryable=True,
)
DISAGREEMENT = BuildFailure(
    "control_totals_disagree",
    "the report's files do not agree with the store's sales register to the cent, so it was not "
    "published; tell its number to support",
    retryable=False,
)
INTERNAL = BuildFailure(
    FailureCode.INTERNAL,
    "the report could not be built because of a mistake of ours; tell its number to support",
    retryable=False,
)

# The first that fits counts: subclasses stand before what they derive from.
FAILURES: tuple[tuple[type[BaseException], BuildFailure], ...] = (
    (DeadlineExceededError, TOO_SLOW),
    (UnsupportedReportError, UNSUPPORTED),
    (ObjectMismatchError, NOT_STORED),
    (ControlTotalsError, DISAGREEMENT),
    (asyncpg.QueryCanceledError, UNAVAILABLE),
    (asyncpg.TransactionRollbackError, UNAVAILABLE),
    (asyncpg.InsufficientResourcesError, OVERLOADED),
    (asyncpg.OperatorInterventionError, UNAVAILABLE),
    (asyncpg.PostgresConnectionError, UNAVAILABLE),
    (asyncpg.PostgresSystemError, UNAVAILABLE),
    (asyncpg.ObjectInUseError, UNAVAILABLE),
    # What the driver says about a connection that was lost under it.
    (asyncpg.InterfaceError, UNAVAILABLE),
    (asyncpg.InternalClientError, UNAVAILABLE),
    (OSError, UNAVAILABLE),  # a TimeoutError is one
)


def build_failure(error: BaseException) -> BuildFailure:
    """The fate of a build that ended in this error."""
    if isinstance(error, PipeBrokenError) and error.__cause__ is not None:
        return build_failure(error.__cause__)
    for cls, failure in FAILURES:
        if isinstance(error, cls):
            return failure
    if isinstance(error, TallyportError) and error.retryable:
        return UNAVAILABLE
    return INTERNAL
