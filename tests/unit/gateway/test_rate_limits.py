"""Requests of a token: so many a second, so many at once; one that is too many does not count."""

from __future__ import annotations

import pytest

from services.gateway.rate_limits import KEYS_MAX, Allowance, RateLimits


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def may(allowance: Allowance | None) -> bool:
    return allowance is None or allowance.wait_seconds is None


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    clock = Clock()
    limits = RateLimits[int](per_second=10, at_once=5, clock=clock)
    assert all(may(limits.take(1)) for _ in range(5))
    waits = [taken.wait_seconds for taken in (limits.take(1) for _ in range(3)) if taken]
    assert waits == [waits[0]] * 3, "what was refused does not make it later"
    assert waits[0] == pytest.approx(0.1)
    clock.now += 0.1
    assert may(limits.take(1))
    assert not may(limits.take(1))
    clock.now += 60
    assert [may(limits.take(1)) for _ in range(6)] == [True] * 5 + [False]


def test_it_says_how_many_are_left_and_when_all_are_there_again() -> None:
    clock = Clock()
    limits = RateLimits[int](per_second=10, at_once=5, clock=clock)
    taken = [limits.take(1) for _ in range(6)]
    assert [one.left for one in taken if one] == [4, 3, 2, 1, 0, 0]
    assert [round(one.full_seconds, 3) for one in taken if one] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.5]
    clock.now += 0.25
    # Two and a half are there again; of those one was taken.
    again = limits.take(1)
    assert again is not None
    assert (again.left, round(again.full_seconds, 3)) == (1, 0.35)


def test_looking_does_not_count() -> None:
    limits = RateLimits[str](per_second=1, at_once=1, clock=Clock())
    assert [limits.wait_seconds("a") for _ in range(3)] == [None] * 3
    assert may(limits.take("a"))
    assert [limits.wait_seconds("a") for _ in range(3)] == [pytest.approx(1)] * 3


def test_each_has_its_own() -> None:
    limits = RateLimits[int](per_second=1, at_once=1, clock=Clock())
    assert may(limits.take(1))
    assert not may(limits.take(1))
    assert may(limits.take(2))


def test_none_is_none() -> None:
    limits = RateLimits[int](per_second=0, at_once=1, clock=Clock())
    assert [limits.take(1) for _ in range(100)] == [None] * 100
    assert limits.wait_seconds(1) is None


def test_what_is_remembered_has_an_end() -> None:
    clock = Clock()
    limits = RateLimits[int](per_second=1, at_once=1, clock=clock)
    for token_id in range(KEYS_MAX):
        limits.take(token_id)
    clock.now += 2
    limits.take(-1)
    assert len(limits._full_at) == 1
    for token_id in range(3 * KEYS_MAX):
        limits.take(token_id)
        assert len(limits._full_at) <= KEYS_MAX
