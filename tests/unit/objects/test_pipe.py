"""A pipe tells the end from a failure, is bounded, and counts what went through."""

from __future__ import annotations

import asyncio
import hashlib
import random

import pytest

from shared.objects import BoundedPipe, PipeBrokenError


async def test_what_is_written_is_read_in_the_sizes_asked_for() -> None:
    data = random.Random(7).randbytes(3_000_000)  # noqa: S311 - a test's data
    pipe = BoundedPipe(bytes_max=10_000)

    def read_all() -> list[bytes]:
        parts = []
        buffer = bytearray(70_001)
        while filled := pipe.read_into(memoryview(buffer)):
            parts.append(bytes(buffer[:filled]))
        return parts

    reading = asyncio.create_task(asyncio.to_thread(read_all))
    sizes = random.Random(8)  # noqa: S311 - a test's data
    position = 0
    while position < len(data):
        size = sizes.randrange(1, 20_000)
        await pipe.write(data[position : position + size])
        position += size
    pipe.close()
    parts = await reading
    assert b"".join(parts) == data
    assert {len(part) for part in parts[:-1]} == {70_001}
    assert pipe.bytes_read == len(data)
    assert pipe.sha256 == hashlib.sha256(data).hexdigest()


async def test_a_full_pipe_makes_its_writer_wait() -> None:
    pipe = BoundedPipe(bytes_max=10)
    await pipe.write(b"x" * 10)
    waiting = asyncio.create_task(pipe.write(b"y"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), timeout=0.05)
    assert pipe.read_chunk() == b"x" * 10
    await asyncio.wait_for(waiting, timeout=5)


async def test_a_failed_writer_is_never_an_end() -> None:
    pipe = BoundedPipe()
    await pipe.write(b"half")
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_into, memoryview(bytearray(100))))
    pipe.fail(ConnectionError("lost"))
    with pytest.raises(PipeBrokenError) as caught:
        await reading
    assert isinstance(caught.value.__cause__, ConnectionError)
    pipe.close()
    with pytest.raises(PipeBrokenError):
        pipe.read_chunk()


async def test_a_failed_reader_stops_its_writer() -> None:
    pipe = BoundedPipe(bytes_max=1)
    await pipe.write(b"x")
    waiting = asyncio.create_task(pipe.write(b"y"))
    await asyncio.to_thread(pipe.fail, ConnectionError("lost"))
    with pytest.raises(PipeBrokenError):
        await asyncio.wait_for(waiting, timeout=5)


async def test_a_writer_in_a_thread_waits_and_fails_as_well() -> None:
    pipe = BoundedPipe(bytes_max=1)
    pipe.put(b"x")
    waiting = asyncio.create_task(asyncio.to_thread(pipe.put, b"y"))
    assert pipe.read_chunk() == b"x"
    await asyncio.wait_for(waiting, timeout=5)
    blocked = asyncio.create_task(asyncio.to_thread(pipe.put, b"z"))
    pipe.fail(ConnectionError("lost"))
    with pytest.raises(PipeBrokenError):
        await asyncio.wait_for(blocked, timeout=5)


async def test_a_pipe_that_is_not_hashed_does_not_pretend() -> None:
    pipe = BoundedPipe(is_hashed=False)
    await pipe.write(b"x")
    pipe.close()
    assert pipe.read_chunk() == b"x"
    assert pipe.read_chunk() == b""
    with pytest.raises(ValueError, match="not hash"):
        _ = pipe.sha256
