"""Identical questions share an answer that is not older than any of them."""

from __future__ import annotations

import asyncio

import pytest

from services.aggregator.sharing import Sharing


class Source:
    """Finds answers 1, 2, ... when it is let; counts how often it is asked."""

    def __init__(self) -> None:
        self.begun = 0
        self.let = asyncio.Event()
        self.cancelled = 0

    async def find(self) -> int:
        self.begun += 1
        number = self.begun
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return number


async def _turns() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_those_who_come_later_do_not_get_what_was_read_before() -> None:
    source, sharing = Source(), Sharing[str, int]()
    first = asyncio.create_task(sharing.share("q", source.find))
    await _turns()
    others = [asyncio.create_task(sharing.share("q", source.find)) for _ in range(10)]
    await _turns()
    assert source.begun == 1, "the others wait for the first to end"
    source.let.set()
    assert await first == 1
    assert await asyncio.gather(*others) == [2] * 10
    assert await sharing.share("q", source.find) == 3


async def test_other_questions_do_not_wait() -> None:
    source, sharing = Source(), Sharing[str, int]()
    tasks = [asyncio.create_task(sharing.share(key, source.find)) for key in "ab"]
    await _turns()
    assert source.begun == 2
    source.let.set()
    assert sorted(await asyncio.gather(*tasks)) == [1, 2]


async def test_an_error_is_everybodys_and_does_not_stay() -> None:
    sharing = Sharing[str, int]()

    async def fail() -> int:
        raise ZeroDivisionError

    for _ in range(2):
        results = await asyncio.gather(
            *(sharing.share("q", fail) for _ in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [ZeroDivisionError] * 3


async def test_the_finding_goes_on_while_anybody_waits_and_ends_with_the_last() -> None:
    source, sharing = Source(), Sharing[str, int]()
    patient, hasty = (asyncio.create_task(sharing.share("q", source.find)) for _ in range(2))
    await _turns()
    hasty.cancel()
    await _turns()
    assert source.cancelled == 0
    patient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await patient
    await _turns()
    assert source.cancelled == 1
    source.let.set()
    assert await sharing.share("q", source.find) == 2


async def test_who_gives_up_before_it_began_leaves_nothing_behind() -> None:
    source, sharing = Source(), Sharing[str, int]()
    first = asyncio.create_task(sharing.share("q", source.find))
    await _turns()
    waiting = asyncio.create_task(sharing.share("q", source.find))
    await _turns()
    waiting.cancel()
    await _turns()
    later = asyncio.create_task(sharing.share("q", source.find))
    source.let.set()
    assert await first == 1
    assert await later == 2
