"""Ten times the capacity: what is accepted is answered in time, the rest is refused at once with
`Retry-After`, memory stays flat, and afterwards everything is as before.

The short profile is part of `make test`; `make overload` has a minute of it.
"""

from __future__ import annotations

import asyncio
import statistics
import time

import pytest

from tests.component.conftest import Client
from tests.overload import load
from tests.overload.conftest import QUERY_SECONDS, Processes
from tests.overload.load import Outcome

TIMES = 10
CALLERS = 4
# What a busy machine may add on the way, to answers and to refusals.
PATIENCE_SECONDS = 1.5
REFUSED_SECONDS = 1.0
FLAT_MIB = 25


@pytest.mark.parametrize(
    ("measuring_seconds", "loaded_seconds"),
    [
        pytest.param(2, 6, id="short"),
        pytest.param(5, 60, id="long", marks=[pytest.mark.slow, pytest.mark.timeout(300)]),
    ],
)
async def test_ten_times_too_much(
    caller: Client, processes: Processes, measuring_seconds: float, loaded_seconds: float
) -> None:
    register_id = await load.record(caller)
    capacity = await load.capacity(caller, register_id, seconds=measuring_seconds, callers=CALLERS)
    before = await _alone(caller, register_id)
    # What it takes to be under load at all is not growth: the first part of it is not measured.
    first = await load.open_loop(
        caller, register_id, a_second=TIMES * capacity, seconds=loaded_seconds / 3
    )
    warm = processes.memory_mib()
    second = await load.open_loop(
        caller, register_id, a_second=TIMES * capacity, seconds=2 * loaded_seconds / 3
    )
    memory = processes.memory_mib()
    at_once = await _alone(caller, register_id, times=1)
    after = await _alone(caller, register_id)
    print(  # noqa: T201 - the figures are what one runs it for
        f"\ncapacity {capacity:.1f} a second, asked {TIMES} times that for {loaded_seconds} s\n"
        f"{first.described()}\n{second.described()}\nMiB {warm} then {memory}\n"
        f"alone {before:.3f} s before, {at_once:.3f} s at once, {after:.3f} s after"
    )

    for outcome in (first, second):
        _is_in_order(outcome)
    # It goes on working at half its pace at least: the load itself is made on the same machine.
    assert len(second.answered) > 0.25 * capacity * 2 * loaded_seconds / 3
    assert len(second.refused) > len(second.answered)
    for name, mib in memory.items():
        assert mib < warm[name] + FLAT_MIB, f"{name} grows under load: {warm} then {memory}"
    assert at_once < 3 * before + PATIENCE_SECONDS / 3
    assert after < 2 * before + PATIENCE_SECONDS / 10


def _is_in_order(outcome: Outcome) -> None:
    assert not outcome.others, outcome.described()
    assert outcome.without_retry_after == 0
    assert max(outcome.answered) < QUERY_SECONDS + PATIENCE_SECONDS, outcome.described()
    assert statistics.median(outcome.refused) < REFUSED_SECONDS, outcome.described()
    assert max(outcome.refused) < QUERY_SECONDS + PATIENCE_SECONDS, outcome.described()


async def _alone(caller: Client, register_id: int, *, times: int = 7) -> float:
    """How long a question takes when it is the only one: the median."""
    seconds = []
    for _ in range(times):
        began = time.monotonic()
        await caller.post("/reports/item_sum", load.question(register_id))
        seconds.append(time.monotonic() - began)
        await asyncio.sleep(0)
    return statistics.median(seconds)
