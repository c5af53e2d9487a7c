"""What COPY hands over in sips leaves in gulps, and only a long COPY is left to gather."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from services.report_worker.gulps import GULP_BYTES, Gulps
from shared.objects import BoundedPipe

SIP = b"x" * 8_000


class Watched(BoundedPipe):
    """A pipe that remembers the sizes of what was written."""

    def __init__(self) -> None:
        super().__init__(bytes_max=100 * GULP_BYTES)
        self.sizes: list[int] = []

    async def write(self, data: bytes) -> None:
        self.sizes.append(len(data))
        await super().write(data)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How often was waited for more, and for how long."""
    found: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        found.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", noted)
    return found


async def drunk(sips: Iterable[bytes]) -> Watched:
    pipe = Watched()
    taking = Gulps(pipe)
    for sip in sips:
        await taking.take(sip)
    await taking.finish()
    return pipe


async def test_many_sips_are_few_gulps_and_nothing_is_spilt(waits: list[float]) -> None:
    sips = [bytes([number % 251]) * 8_000 for number in range(200)]
    pipe = await drunk(sips)
    assert all(size >= GULP_BYTES for size in pipe.sizes[:-1])
    assert pipe.read() == b"".join(sips)
    assert waits
    assert max(waits) < 0.01


async def test_a_short_copy_is_not_waited_for(waits: list[float]) -> None:
    pipe = await drunk([SIP] * (GULP_BYTES // len(SIP)))
    assert len(pipe.sizes) == 1
    assert waits == []


async def test_what_comes_in_gulps_is_not_waited_for(waits: list[float]) -> None:
    await drunk([b"x" * (GULP_BYTES // 2)] * 20)
    assert waits == []
