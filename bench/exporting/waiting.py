"""A short report beside long ones: how long it waits for its turn (goal 7).

Comes in: a running system. Goes out: seconds until a short report was begun and until it was ready,
alone and while more long ones were asked for than are built at once.
"""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass

from bench.exporting.ours import Built, build, remove
from bench.exporting.system import Dataset, System

LONG_ONES = 3


@dataclass(frozen=True)
class Waiting:
    """Medians, in seconds."""

    begun: float
    ready: float
    times: int


async def alone(system: System, times: int) -> Waiting:
    return _median([await _short(system) for _ in range(times)])


async def beside(system: System, long: Dataset, times: int) -> Waiting:
    """Long ones wait for one another all the while."""
    building = [asyncio.create_task(build(system, long)) for _ in range(LONG_ONES)]
    await asyncio.sleep(1.0)
    taken = []
    while len(taken) < times and not all(task.done() for task in building):
        taken.append(await _short(system))
    for task in building:
        await remove(system, long, await task)
    return _median(taken)


async def _short(system: System) -> Built:
    built = await build(system, system.short)
    await remove(system, system.short, built)
    return built


def _median(taken: list[Built]) -> Waiting:
    return Waiting(
        statistics.median(built.begun for built in taken),
        statistics.median(built.ready for built in taken),
        len(taken),
    )
