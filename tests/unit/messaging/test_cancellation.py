"""A CancelledError that nobody asked for is an error; one that somebody asked for stays one."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from shared.errors import UnavailableError
from shared.messaging import cancellation
from shared.messaging.cancellation import stray_cancellation_is


async def test_a_stray_one_becomes_an_error() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    with pytest.raises(UnavailableError, match="lost"), stray_cancellation_is("lost"):
        await future


async def test_a_real_one_stays() -> None:
    waiting = asyncio.Event()

    async def work() -> None:
        with stray_cancellation_is("lost"):
            waiting.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cleaning_up_in_a_cancelled_task_tells_them_apart_too() -> None:
    waiting = asyncio.Event()
    seen: list[str] = []

    async def work() -> None:
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            stray = asyncio.get_running_loop().create_future()
            stray.cancel()
            try:
                with stray_cancellation_is("lost"):
                    await stray
            except UnavailableError as error:
                seen.append(error.message)

    task = asyncio.create_task(work())
    await waiting.wait()
    task.cancel()
    await asyncio.wait({task})
    assert seen == ["lost"]


async def test_a_timeout_around_it_stays_a_timeout() -> None:
    async def work() -> None:
        with stray_cancellation_is("lost"):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(work(), 0.01)


async def test_a_real_one_that_the_library_replaced_is_one_again() -> None:
    waiting = asyncio.Event()

    async def work() -> None:
        with stray_cancellation_is("lost"):
            try:
                waiting.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                raise ConnectionError("the library's own") from error

    task = asyncio.create_task(work())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_that_replaced_none_stays() -> None:
    with pytest.raises(ConnectionError), stray_cancellation_is("lost"):
        raise ConnectionError


async def test_a_task_that_swallows_a_cancellation_ends_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cancellation, "CANCEL_AGAIN_SECONDS", 0.01)
    waiting = asyncio.Event()

    async def work() -> None:
        with suppress(asyncio.CancelledError):
            waiting.set()
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await waiting.wait()
    async with asyncio.timeout(5):
        await cancellation.end(task)
    assert task.cancelled()


async def test_what_does_not_end_is_left_to_itself() -> None:
    async def stubborn() -> None:
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async with asyncio.timeout(5):
        await cancellation.tidy_up(stubborn(), seconds=0.01)


async def test_what_fails_is_nobodys_error() -> None:
    async def fail() -> None:
        raise ConnectionError

    await cancellation.tidy_up(fail(), seconds=5)
