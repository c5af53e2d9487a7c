"""What becomes of a message whose handling failed: one table.

In: the error, and whether somebody waits for an answer. Out: its fate. `tests` prove the table
complete over `shared.errors.ERRORS`.
"""

from __future__ import annotations

from enum import Enum, auto

from shared.errors import (
    ConflictError,
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    MalformedError,
    NotFoundError,
    OverloadedError,
    TallyportError,
    TooLargeError,
    UnavailableError,
)


class Fate(Enum):
    """Every fate but RETRY ends with an acknowledgement."""

    ANSWER = auto()
    """Tell the asker; whether to ask again is the asker's decision."""
    RETRY = auto()
    """Try again here, later, with the message unacknowledged."""
    DEAD_LETTER = auto()
    """Put it away with its reason, for a person."""


# When nobody waits for an answer.
UNASKED_FATES: dict[type[TallyportError], Fate] = {
    MalformedError: Fate.DEAD_LETTER,
    InvalidArgumentError: Fate.DEAD_LETTER,
    NotFoundError: Fate.DEAD_LETTER,
    ConflictError: Fate.DEAD_LETTER,
    TooLargeError: Fate.DEAD_LETTER,
    InternalError: Fate.DEAD_LETTER,
    OverloadedError: Fate.RETRY,
    UnavailableError: Fate.RETRY,
    DeadlineExceededError: Fate.RETRY,
}


def fate_of(error: TallyportError, *, answerable: bool) -> Fate:
    """The fate of a message whose handler raised this."""
    if answerable:
        return Fate.ANSWER
    for cls in type(error).__mro__:
        if cls in UNASKED_FATES:
            return UNASKED_FATES[cls]
    return Fate.DEAD_LETTER
