"""Callers at once.

Comes in: a URL, how many callers, for how long. Goes out: `Load`: answers a second and how long
they took. No two questions in a row are the same, so nobody can answer one from another.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path

from bench.counting.data import LABELS
from bench.counting.http_line import Line
from bench.counting.processes import end, module
from bench.counting.questions import Question
from bench.counting.rounds import percentile
from bench.counting.system import Dataset, System

# (method, path, body) of the n-th call.
Calls = Callable[[int], tuple[str, str, bytes]]
STARTS = 300
# Answers of nearly the same length, and more of them than there are callers.
STARTS_OF_A_CROWD = 40


@dataclass(frozen=True, order=True)
class Load:
    """Of one round; milliseconds. Sorted by rate."""

    rate: float
    median: float
    p99: float


def questions(question: Question, dataset: Dataset, *, starts: int = STARTS) -> Calls:
    """The question from ever another day on, so many of them."""
    bodies = []
    for day in range(starts):
        shifted = replace(question, start=question.start + timedelta(days=day))
        path, arguments = shifted.call(dataset.largest, LABELS)
        bodies.append((path, json.dumps(arguments).encode()))
    return lambda n: ("POST", *bodies[n % starts])


async def press(url: str, token: str, calls: Calls, *, callers: int, seconds: float) -> Load:
    """Each caller asks again as soon as it is answered."""
    taken: list[float] = []
    numbers = count()
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(Line(url, token)) for _ in range(callers)]
        gc.collect()
        start = time.perf_counter()

        async def keep_asking(line: Line) -> None:
            began = start
            while began < start + seconds:
                began = time.perf_counter()
                await line.call(*calls(next(numbers)))
                taken.append((time.perf_counter() - began) * 1_000)

        await asyncio.gather(*map(keep_asking, lines))
    lasted = time.perf_counter() - start
    return Load(len(taken) / lasted, statistics.median(taken), percentile(taken, 0.99))


async def in_turns(
    targets: Mapping[str, tuple[str, Calls]],
    token: str,
    *,
    callers: int,
    seconds: float,
    rounds: int,
) -> dict[str, Load]:
    """The median round of each target, all of them round by round."""
    found: dict[str, list[Load]] = {name: [] for name in targets}
    for number in range(rounds + 1):
        for name, (url, calls) in targets.items():
            lasts = seconds if number else seconds / 3
            load = await press(url, token, calls, callers=callers, seconds=lasts)
            if number:
                found[name].append(load)
    return {name: sorted(loads)[len(loads) // 2] for name, loads in found.items()}


@contextmanager
def recording(system: System, folder: Path, items_a_second: int) -> Iterator[None]:
    """Items are recorded into the largest register meanwhile."""
    environment = {"URL": system.url, "TOKEN": system.whole.token}
    arguments = [str(system.whole.largest), str(items_a_second)]
    with (folder / "recording.log").open("wb") as log:
        process = module(system, "bench.counting.recording", arguments, log.fileno(), environment)
        try:
            if process.stdout is None or not process.stdout.readline():
                raise SystemExit("the producer did not start: see recording.log")
            yield
            if process.poll() is not None:
                raise SystemExit("the producer died: see recording.log")
        finally:
            end(process)
