"""The proxy does what it says, so that suites which use it test something."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from tests.chaos.proxy import Proxy, Side, proxy_to

SECONDS = 10


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with proxy_to("127.0.0.1", server.sockets[0].getsockname()[1]) as made:
        yield made
    server.close()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _dial(proxy: Proxy) -> Streams:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await _say(reader, writer, b"hello") == b"hello"
    return reader, writer


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    async with asyncio.timeout(SECONDS):
        return await reader.readexactly(len(data))


async def test_bytes_come_through_unchanged(proxy: Proxy) -> None:
    data = bytes(range(256)) * 4_000
    reader, writer = await _dial(proxy)
    assert await _say(reader, writer, data) == data
    assert (proxy.accepted, proxy.open_links) == (1, 1)
    writer.close()


async def test_a_delay_is_felt_both_ways(proxy: Proxy) -> None:
    reader, writer = await _dial(proxy)
    proxy.delay_seconds = 0.1
    began = time.monotonic()
    await _say(reader, writer, b"x")
    assert time.monotonic() - began >= 0.2


async def test_bandwidth_is_limited(proxy: Proxy) -> None:
    reader, writer = await _dial(proxy)
    proxy.bytes_per_second = 1_000_000
    began = time.monotonic()
    await _say(reader, writer, b"x" * 200_000)
    assert time.monotonic() - began >= 0.2


async def test_a_black_hole_swallows_nothing(proxy: Proxy) -> None:
    reader, writer = await _dial(proxy)
    proxy.silence()
    writer.write(b"later")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.read(1)
    proxy.speak()
    async with asyncio.timeout(SECONDS):
        assert await reader.readexactly(5) == b"later"


async def test_a_cut_is_an_end_of_file(proxy: Proxy) -> None:
    reader, _ = await _dial(proxy)
    assert proxy.cut() == 1
    async with asyncio.timeout(SECONDS):
        assert await reader.read() == b""


async def test_a_reset_is_an_error(proxy: Proxy) -> None:
    reader, _ = await _dial(proxy)
    assert proxy.reset() == 1
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(SECONDS):
            await reader.read()


async def test_half_a_close_leaves_the_other_half(proxy: Proxy) -> None:
    reader, writer = await _dial(proxy)
    assert proxy.half_close() == 1
    async with asyncio.timeout(SECONDS):
        assert await reader.read() == b""
    writer.write(b"still taken")
    await writer.drain()
    assert proxy.open_links == 1


async def test_refusal_ends_when_it_is_taken_back(proxy: Proxy) -> None:
    await _dial(proxy)
    proxy.refuse()
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await _dial(proxy)
    proxy.accept()
    await _dial(proxy)
    assert proxy.refused == 1


@pytest.mark.parametrize("after", [False, True])
async def test_a_trap_springs_as_often_as_it_was_told(proxy: Proxy, after: bool) -> None:
    trap = proxy.trap(rb"POST .*uploadId=", after=after)
    reader, writer = await _dial(proxy)
    writer.write(b"POST /x?uploadId=1 HTTP/1.1\r\n")
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(SECONDS):
            await reader.read()
    assert trap.sprung == 1
    reader, writer = await _dial(proxy)
    assert await _say(reader, writer, b"POST /x?uploadId=2") == b"POST /x?uploadId=2"


async def test_a_trap_for_answers_lets_requests_through(proxy: Proxy) -> None:
    proxy.trap(rb"secret", side=Side.DOWN)
    reader, writer = await _dial(proxy)
    writer.write(b"secret")
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(SECONDS):
            await reader.read()
