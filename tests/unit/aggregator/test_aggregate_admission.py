"""How many questions run, how many wait, and what becomes of the rest."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from services.aggregator.admission import Admission
from services.aggregator.settings import AggregatorSettings
from shared.contracts.routes import QUESTIONS
from shared.errors import OverloadedError


def admission(*, waiting_max: int = 1) -> Admission:
    return Admission(questions_max=2, waiting_max=waiting_max, retry_after_seconds=3.0)


async def occupy(gate: Admission, stack: AsyncExitStack) -> None:
    for _ in range(2):
        await stack.enter_async_context(gate.turn(seconds=1))


async def wait_until_waiting(gate: Admission, count: int) -> None:
    async with asyncio.timeout(5):
        while gate.waiting != count:  # noqa: ASYNC110 - waiting for a condition, with a deadline
            await asyncio.sleep(0)


async def test_refuses_what_may_not_wait() -> None:
    gate = admission(waiting_max=0)
    async with AsyncExitStack() as stack:
        await occupy(gate, stack)
        with pytest.raises(OverloadedError) as caught:
            await stack.enter_async_context(gate.turn(seconds=60))
    assert caught.value.retry_after_seconds == 3.0
    async with gate.turn(seconds=0.001):
        pass


async def test_waits_in_turn_and_refuses_the_next() -> None:
    gate = admission()

    async def one() -> None:
        async with gate.turn(seconds=60):
            pass

    async with AsyncExitStack() as stack:
        await occupy(gate, stack)
        waiting = asyncio.create_task(one())
        await wait_until_waiting(gate, 1)
        with pytest.raises(OverloadedError):
            await one()
    async with asyncio.timeout(5):
        await waiting
    assert gate.waiting == 0


async def test_waits_no_longer_than_the_deadline() -> None:
    gate = admission()
    async with AsyncExitStack() as stack:
        await occupy(gate, stack)
        with pytest.raises(OverloadedError):
            await stack.enter_async_context(gate.turn(seconds=0.01))
        assert gate.waiting == 0


async def test_one_that_gives_up_leaves_no_trace() -> None:
    gate = admission()

    async def one() -> None:
        async with gate.turn(seconds=60):
            pass

    async with AsyncExitStack() as stack:
        await occupy(gate, stack)
        waiting = asyncio.create_task(one())
        await wait_until_waiting(gate, 1)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert gate.waiting == 0
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(5):
            await occupy(gate, stack)


async def test_a_failure_gives_its_turn_back() -> None:
    gate = admission(waiting_max=0)
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            async with gate.turn(seconds=1):
                raise ZeroDivisionError


async def test_refuses_at_once_who_would_wait_too_long_as_things_go() -> None:
    now = 0.0
    gate = Admission(questions_max=1, waiting_max=100, retry_after_seconds=3.0, clock=lambda: now)
    waiting: list[asyncio.Task[None]] = []

    async def wait_in_line() -> None:
        waiting.append(asyncio.create_task(gate.enter(seconds=60)))
        await wait_until_waiting(gate, sum(not task.done() for task in waiting))

    await gate.enter(seconds=60)
    for _ in range(30):
        await wait_in_line()
    # A turn ends every second, for long enough that nothing else is remembered.
    for _ in range(25):
        now += 1.0
        before = gate.waiting
        gate.leave()
        await wait_until_waiting(gate, before - 1)
    assert gate.waiting == 5
    # The sixth would have its turn in six seconds: nobody knows whether the seventh is answered.
    with pytest.raises(OverloadedError):
        await gate.enter(seconds=10)
    last = asyncio.create_task(gate.enter(seconds=14))
    await wait_until_waiting(gate, 6)
    for task in (*waiting, last):
        task.cancel()
    await asyncio.wait({*waiting, last})


async def test_what_is_known_of_the_pace_counts_for_less_when_nobody_waits() -> None:
    now = 0.0
    gate = Admission(questions_max=1, waiting_max=100, retry_after_seconds=3.0, clock=lambda: now)
    await gate.enter(seconds=60)
    for _ in range(10):
        following = asyncio.create_task(gate.enter(seconds=60))
        await wait_until_waiting(gate, 1)
        now += 5.0
        gate.leave()
        await following
    for _ in range(10):
        gate.leave()
        await gate.enter(seconds=60)
    waiting = asyncio.create_task(gate.enter(seconds=1))
    await wait_until_waiting(gate, 1)
    gate.leave()
    await waiting


def test_by_default_a_crowd_is_served_and_what_is_too_many_can_be_refused() -> None:
    """A question that the broker holds back cannot be refused."""
    settings = AggregatorSettings()
    assert 64 <= settings.questions_max + settings.waiting_max < QUESTIONS.prefetch
