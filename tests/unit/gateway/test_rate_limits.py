"""Requests of a token: so many a second, so many at once; one that is too many does not count."""

from __future__ import annotations

from services.gateway.rate_limits import TOKENS_MAX, RateLimits


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    clock = Clock()
    limits = RateLimits(per_second=10, at_once=5, clock=clock)
    assert [limits.wait_seconds(1) for _ in range(5)] == [None] * 5
    waits = [limits.wait_seconds(1) for _ in range(3)]
    assert waits == [waits[0]] * 3, "what was refused does not make it later"
    assert waits[0] is not None
    assert 0.099 < waits[0] < 0.101
    clock.now += 0.1
    assert limits.wait_seconds(1) is None
    assert limits.wait_seconds(1) is not None
    clock.now += 60
    assert [limits.wait_seconds(1) is None for _ in range(6)] == [True] * 5 + [False]


def test_each_token_has_its_own() -> None:
    limits = RateLimits(per_second=1, at_once=1, clock=Clock())
    assert limits.wait_seconds(1) is None
    assert limits.wait_seconds(1) is not None
    assert limits.wait_seconds(2) is None


def test_none_is_none() -> None:
    limits = RateLimits(per_second=0, at_once=1, clock=Clock())
    assert [limits.wait_seconds(1) for _ in range(100)] == [None] * 100


def test_what_is_remembered_has_an_end() -> None:
    clock = Clock()
    limits = RateLimits(per_second=1, at_once=1, clock=clock)
    for token_id in range(TOKENS_MAX):
        limits.wait_seconds(token_id)
    clock.now += 2
    limits.wait_seconds(-1)
    assert len(limits._full_at) == 1
    for token_id in range(3 * TOKENS_MAX):
        limits.wait_seconds(token_id)
        assert len(limits._full_at) <= TOKENS_MAX
