"""The table of fates is complete, and says what the design says."""

from __future__ import annotations

import pytest

from shared.errors import ERRORS, TallyportError, UnavailableError
from shared.messaging.fates import UNASKED_FATES, Fate, fate_of


def test_every_error_has_a_fate_and_nothing_else_has() -> None:
    assert set(UNASKED_FATES) == set(ERRORS.values())


@pytest.mark.parametrize("cls", ERRORS.values())
def test_what_a_retry_helps_is_retried_and_the_rest_put_away(cls: type[TallyportError]) -> None:
    expected = Fate.RETRY if cls.retryable else Fate.DEAD_LETTER
    assert fate_of(cls("x"), answerable=False) is expected
    assert fate_of(cls("x"), answerable=True) is Fate.ANSWER


def test_a_subclass_shares_its_parents_fate() -> None:
    class DatabaseAwayError(UnavailableError):
        """A special case, as a service might have."""

    assert fate_of(DatabaseAwayError("x"), answerable=False) is Fate.RETRY
    assert fate_of(TallyportError("x"), answerable=False) is Fate.DEAD_LETTER
