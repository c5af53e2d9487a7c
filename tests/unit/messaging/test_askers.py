"""An asker that leaves interrupts the work for him, wherever it is, and nothing else."""

from __future__ import annotations

import asyncio

import pytest
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.messaging import askers
from shared.messaging.askers import Asker, AskerLeft, Askers


def _delivery(number: str | None = "1", reply_to: str | None = "asker") -> DeliveredMessage:
    properties = Basic.Properties(reply_to=reply_to, correlation_id=number)
    return DeliveredMessage(
        delivery=Basic.Deliver(),
        header=ContentHeader(properties=properties),
        body=b"",
        channel=None,  # type: ignore[arg-type]
    )


async def _work(asker: Asker, begun: asyncio.Event, *, swallow: bool = False) -> None:
    with asker:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not swallow:
                raise


@pytest.mark.parametrize("swallow", [False, True])
async def test_the_work_is_interrupted_and_its_task_lives_on(swallow: bool) -> None:
    asker, begun = Asker(), asyncio.Event()

    async def outlive() -> int:
        with pytest.raises(AskerLeft):
            await _work(asker, begun, swallow=swallow)
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(0)
        return task.cancelling()

    task = asyncio.create_task(outlive())
    await begun.wait()
    asker.leave()
    asker.leave()
    assert await task == 0


async def test_somebody_elses_cancellation_stays_one() -> None:
    asker, begun = Asker(), asyncio.Event()
    task = asyncio.create_task(_work(asker, begun))
    await begun.wait()
    asker.leave()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_outside_of_the_block_nothing_is_interrupted() -> None:
    asker = Asker()
    with asker:
        pass
    asker.leave()
    await asyncio.sleep(0)
    with pytest.raises(AskerLeft), asker:
        raise AssertionError("there is no need to begin")


def test_only_his_own_delivery_is_told_and_each_of_them() -> None:
    every = Askers()
    once, again = every.arrived(_delivery()), every.arrived(_delivery())
    others = [every.arrived(_delivery("2")), every.arrived(_delivery("1", "another"))]
    nobody = [every.arrived(_delivery(None)), every.arrived(_delivery("1", None))]
    every.left("asker", "1")
    every.left("asker", "unknown")
    assert [once.has_left, again.has_left] == [True, True]
    assert not any(one.has_left for one in (*others, *nobody))
    for one in (once, again):
        every.done(_delivery(), one)
    assert len(every._waiting) == 2


def test_who_left_before_his_question_came_is_remembered_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr("shared.messaging.askers.time.monotonic", lambda: clock[0])
    every = Askers()
    every.left("asker", "1")
    clock[0] += askers.EARLY_SECONDS / 2
    assert every.arrived(_delivery()).has_left
    clock[0] += askers.EARLY_SECONDS / 2
    assert not every.arrived(_delivery()).has_left


def test_what_is_remembered_is_bounded() -> None:
    every = Askers()
    for number in range(askers.EARLY_MAX + 1):
        every.left("asker", str(number))
    assert len(every._early) == askers.EARLY_MAX
    assert not every.arrived(_delivery("0")).has_left
    assert every.arrived(_delivery(str(askers.EARLY_MAX))).has_left
