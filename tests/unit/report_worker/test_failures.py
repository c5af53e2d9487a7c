"""Every error of ours, and of the driver, has a fate and a message that can be acted on."""

from __future__ import annotations

import asyncpg
import pytest

from services.report_worker.failures import FAILURES, build_failure
from shared.errors import ERRORS
from shared.objects import PipeBrokenError


@pytest.mark.parametrize("cls", ERRORS.values())
def test_every_error_of_the_tree_has_a_fate(cls: type) -> None:
    failure = build_failure(cls("secret words"))
    assert failure.code
    assert failure.message
    assert "secret" not in failure.message
    assert failure.retryable == (cls.retryable and cls.__name__ != "DeadlineExceededError")


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (asyncpg.AdminShutdownError("x"), True),
        (asyncpg.ConnectionDoesNotExistError("x"), True),
        (asyncpg.InterfaceError("x"), True),
        (asyncpg.DiskFullError("x"), True),
        (asyncpg.SerializationError("x"), True),
        (asyncpg.QueryCanceledError("x"), True),
        (TimeoutError("x"), True),
        (ConnectionResetError("x"), True),
        (asyncpg.UndefinedColumnError("x"), False),
        (asyncpg.InvalidParameterValueError("x"), False),
        (ValueError("x"), False),
        (MemoryError("x"), False),
    ],
)
def test_what_passes_is_tried_again_and_what_stays_is_not(
    error: Exception, retryable: bool
) -> None:
    assert build_failure(error).retryable is retryable


def test_a_broken_pipe_is_judged_by_what_broke_it() -> None:
    broken = PipeBrokenError("x")
    broken.__cause__ = ConnectionResetError("x")
    assert build_failure(broken).retryable


def test_no_row_of_the_table_is_hidden_by_one_above_it() -> None:
    for position, (cls, _) in enumerate(FAILURES):
        assert not any(issubclass(cls, above) for above, _ in FAILURES[:position]), cls
