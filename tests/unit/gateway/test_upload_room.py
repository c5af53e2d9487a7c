"""Room for what uploads have on their way: in order, never more than there is, and given back."""

from __future__ import annotations

import asyncio

import pytest

from services.gateway.upload_room import UploadRoom
from shared.errors import OverloadedError

HOUR = 3_600.0


async def _settled() -> None:
    """Everything that can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_there_is_never_more_on_the_way_than_there_is_room_for() -> None:
    room = UploadRoom(100)
    first = await room.take(60, seconds=HOUR)
    second = asyncio.create_task(room.take(60, seconds=HOUR))
    small = asyncio.create_task(room.take(10, seconds=HOUR))
    await _settled()
    # The small one would fit, but who came first goes first.
    assert not second.done()
    assert not small.done()
    room.give(first)
    await _settled()
    assert (second.result(), small.result(), room.free) == (60, 10, 30)


async def test_what_is_larger_than_all_room_goes_alone() -> None:
    room = UploadRoom(100)
    whole = await room.take(1_000, seconds=HOUR)
    assert (whole, room.free) == (100, 0)
    room.give(whole)
    assert room.free == 100


async def test_one_that_waits_too_long_is_refused_and_stands_in_nobodys_way() -> None:
    room = UploadRoom(100)
    first = await room.take(50, seconds=HOUR)
    large = asyncio.create_task(room.take(60, seconds=0.01))
    await _settled()
    small = asyncio.create_task(room.take(50, seconds=HOUR))
    with pytest.raises(OverloadedError) as refused:
        await large
    assert refused.value.retry_after_seconds
    await _settled()
    assert small.result() == 50
    room.give(first)
    room.give(50)
    assert room.free == 100


@pytest.mark.parametrize("given_first", [False, True])
async def test_one_that_hangs_up_leaves_nothing_taken(given_first: bool) -> None:
    room = UploadRoom(100)
    first = await room.take(100, seconds=HOUR)
    waiting = asyncio.create_task(room.take(100, seconds=HOUR))
    await _settled()
    if given_first:
        room.give(first)  # its turn and the cancellation come in the same moment
    waiting.cancel()
    await asyncio.wait({waiting})
    if not given_first:
        room.give(first)
    assert room.free == 100
