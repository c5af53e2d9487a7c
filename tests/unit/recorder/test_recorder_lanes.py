"""Lanes: what waits for the same key is written together, and each gets its own outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.recorder.lanes import Lanes
from shared import tracing
from shared.errors import ConflictError, UnavailableError
from shared.tracing import Kind


class Writer:
    """Writes when it is let, and remembers the groups."""

    def __init__(self) -> None:
        self.groups: list[tuple[str, list[int]]] = []
        self.traces: list[str | None] = []
        self.started: asyncio.Queue[str] = asyncio.Queue()
        self.gates: dict[str, asyncio.Semaphore] = {}

    def let(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            self.gates.setdefault(key, asyncio.Semaphore(0)).release()

    async def write(self, key: str, batches: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append((key, list(batches)))
        self.traces.append(tracing.traceparent())
        self.started.put_nowait(key)
        await self.gates.setdefault(key, asyncio.Semaphore(0)).acquire()
        if 13 in batches:
            raise UnavailableError("unlucky")
        return [ConflictError("odd") if each % 2 else each * 10 for each in batches]


def _lanes(writer: Writer, size_max: int = 100) -> Lanes[str, int, int]:
    return Lanes(writer.write, size=lambda batch: batch, size_max=size_max)


async def _put(lanes: Lanes[str, int, int], key: str, *batches: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(lanes.put(key, batch)) for batch in batches]
    await asyncio.sleep(0)  # let each of them take its place
    return tasks


async def test_a_batch_alone_is_written_at_once_and_those_meanwhile_together() -> None:
    writer = Writer()
    lanes = _lanes(writer)
    first = await _put(lanes, "a", 2)
    assert await writer.started.get() == "a"
    others = await _put(lanes, "a", 4, 3, 6)
    writer.let("a", 2)
    results = await asyncio.gather(*first, *others, return_exceptions=True)
    assert writer.groups == [("a", [2]), ("a", [4, 3, 6])]
    assert [results[0], results[1], results[3]] == [20, 40, 60]
    assert isinstance(results[2], ConflictError)


async def test_a_group_ends_at_its_size_but_has_at_least_one_batch() -> None:
    writer = Writer()
    lanes = _lanes(writer, size_max=10)
    tasks = await _put(lanes, "a", 2)
    await writer.started.get()
    tasks += await _put(lanes, "a", 40, 4, 6, 2)
    writer.let("a", 4)
    assert await asyncio.gather(*tasks) == [20, 400, 40, 60, 20]
    assert [batches for _, batches in writer.groups] == [[2], [40], [4, 6], [2]]


async def test_a_group_is_of_the_trace_of_its_first_batch_that_has_one() -> None:
    """And not of the one that the lane was begun in."""
    one = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    another = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    writer = Writer()
    lanes = _lanes(writer, size_max=4)
    tasks = []
    for trace, batches in ((one, [2]), (None, [4]), (None, [2]), (another, [2])):
        with tracing.begin("", Kind.CONSUMER, trace):
            tasks += await _put(lanes, "a", *batches)
    writer.let("a", 3)
    await asyncio.gather(*tasks)
    assert [batches for _, batches in writer.groups] == [[2], [4], [2, 2]]
    assert writer.traces == [one, None, another]


async def test_keys_do_not_wait_for_one_another() -> None:
    writer = Writer()
    lanes = _lanes(writer)
    slow = await _put(lanes, "slow", 2)
    fast = await _put(lanes, "fast", 4)
    writer.let("fast")
    assert await fast[0] == 40
    assert not slow[0].done()
    writer.let("slow")
    assert await slow[0] == 20


async def test_an_error_of_the_writing_is_everyones_and_the_lane_goes_on() -> None:
    writer = Writer()
    lanes = _lanes(writer)
    tasks = await _put(lanes, "a", 2)
    await writer.started.get()
    tasks += await _put(lanes, "a", 13, 4)
    writer.let("a", 2)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] == 20
    assert [type(each) for each in results[1:]] == [UnavailableError, UnavailableError]
    again = await _put(lanes, "a", 6)
    writer.let("a")
    assert await again[0] == 60


async def test_who_leaves_while_waiting_is_not_written() -> None:
    writer = Writer()
    lanes = _lanes(writer)
    tasks = await _put(lanes, "a", 2)
    await writer.started.get()
    tasks += await _put(lanes, "a", 4, 6)
    tasks[1].cancel()
    writer.let("a", 2)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert (results[0], results[2]) == (20, 60)
    assert writer.groups == [("a", [2]), ("a", [6])]


async def test_closing_tells_everybody_who_waits() -> None:
    writer = Writer()
    lanes = _lanes(writer)
    tasks = await _put(lanes, "a", 2)
    await writer.started.get()
    tasks += await _put(lanes, "a", 4)
    await lanes.close()
    for task in tasks:
        with pytest.raises(UnavailableError):
            await task
