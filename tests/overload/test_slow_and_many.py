"""Callers who hold the gateway up: heads, bodies and answers that do not end, many connections."""

from __future__ import annotations

import asyncio
import contextlib
import time

import aiohttp

from tests.component.conftest import Client
from tests.overload.conftest import (
    BODY_IDLE_SECONDS,
    CONNECTIONS_MAX,
    HEADER_SECONDS,
    PER_PEER_MAX,
    REQUESTS_MAX,
    Processes,
)
from tests.overload.sockets import Line, Peer

# What a busy machine may add to a limit.
PATIENCE_SECONDS = 5.0
COUNT = "/reports/item_count"


async def _is_served(caller: Client) -> None:
    await caller.get("/registers")


async def test_a_head_that_does_not_end(peer: Peer, caller: Client) -> None:
    line = await peer.line()
    sending = asyncio.create_task(line.trickle(peer.head(COUNT), every_seconds=0.1))
    answer = await line.until_closed()
    sending.cancel()
    assert answer.status == 408
    assert answer.error == "the request's head did not come in time"
    assert 0.9 * HEADER_SECONDS <= answer.seconds < HEADER_SECONDS + PATIENCE_SECONDS
    await _is_served(caller)


async def test_a_second_head_that_does_not_end(peer: Peer) -> None:
    line = await peer.line()
    await line.send(peer.head("/registers", "Content-Length: 0", method="GET"))
    await line.reader.readuntil(b"\r\n\r\n")
    await line.send(b"GET /registers HTT")
    answer = await line.until_closed()
    assert b"HTTP/1.1 408 " in answer.raw


async def test_what_lies_idle_between_two_requests_is_left_alone(peer: Peer) -> None:
    """Bodies that come in pieces, right behind their heads, are no heads."""
    line = await peer.line()
    for _ in range(3):
        await line.send(peer.head("/reports", "Content-Length: 20"))
        for piece in (b'{"name": "no', b"thing", b'"}  '[:3]):
            await line.send(piece)
        received = b""
        while b"\r\n\r\n" not in received:
            received += await line.reader.read(65_536)
        assert received.startswith(b"HTTP/1.1 422 ")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.5 * HEADER_SECONDS):
                unasked = await line.reader.read(65_536)
                assert b"408" not in unasked


async def test_a_body_that_does_not_begin(peer: Peer) -> None:
    line = await peer.line()
    await line.send(peer.head(COUNT, "Content-Length: 100"))
    answer = await line.until_closed()
    assert answer.status == 408
    assert answer.error == f"no body for {BODY_IDLE_SECONDS:g} seconds"
    assert answer.headers["connection"] == "close"


async def test_a_body_of_drops(peer: Peer, caller: Client) -> None:
    """Each of them comes within the limit of silence."""
    line = await peer.line()
    await line.send(peer.head(COUNT, "Content-Length: 1000"))
    sending = asyncio.create_task(line.trickle(b" " * 1_000, every_seconds=0.1))
    answer = await line.until_closed()
    sending.cancel()
    assert answer.status == 408
    assert "1024 bytes a second" in answer.error
    assert answer.seconds < BODY_IDLE_SECONDS + 2 * PATIENCE_SECONDS
    await _is_served(caller)


async def test_an_answer_that_is_not_taken(peer: Peer, processes: Processes) -> None:
    """The largest document there is, asked for again and again, and never read."""
    line = await peer.line()
    line.writer.transport.pause_reading()  # type: ignore[attr-defined] # a TCP transport has it
    began = time.monotonic()
    head = peer.head("/openapi.json", method="GET")

    async def ask_for_ever() -> None:
        while not line.writer.is_closing():
            await line.send(head)
            await asyncio.sleep(0)

    asking = asyncio.create_task(ask_for_ever())
    try:
        async with asyncio.timeout(4 * PATIENCE_SECONDS):
            while not (line.writer.is_closing() or asking.done()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        asking.cancel()
    assert time.monotonic() - began < 4 * PATIENCE_SECONDS
    assert 'reason="answer"} 1.0' in await _metrics(processes)


async def _metrics(processes: Processes) -> str:
    async with aiohttp.request("GET", f"{processes.url}/metrics") as response:
        return await response.text()


async def test_requests_one_behind_the_other(peer: Peer, processes: Processes) -> None:
    """Five hundred at once on one line, which reads its answers late: they wait in the kernel."""
    before = processes.memory_mib()["gateway"]
    line = await peer.line()
    head = peer.head("/registers/1", method="GET")
    sending = asyncio.create_task(line.send(head * 500))
    received = b""
    async with asyncio.timeout(60):
        while received.count(b"HTTP/1.1 404 ") < 500:
            data = await line.reader.read(1 << 20)
            assert data, "closed before all were answered"
            received += data
    await sending
    assert processes.memory_mib()["gateway"] < before + 20


async def test_more_connections_than_there_is_room_for(
    peer: Peer, caller: Client, processes: Processes
) -> None:
    lines = [await peer.line() for _ in range(PER_PEER_MAX + 20)]
    refused = await asyncio.gather(*(line.until_closed() for line in lines[-10:]))
    assert {answer.status for answer in refused} == {503}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.error for answer in refused} == {"too many connections"}
    assert max(answer.seconds for answer in refused) < PATIENCE_SECONDS
    # Another address is another peer, until there is no room at all.
    others = [
        await peer.line(address="127.0.0.2") for _ in range(CONNECTIONS_MAX - PER_PEER_MAX + 20)
    ]
    assert (await others[-1].until_closed()).status == 503
    assert await _answers(peer, others[0])
    for line in [*lines, *others]:
        await line.close()
    await _until_served(caller)


async def _answers(peer: Peer, line: Line) -> bool:
    await line.send(peer.head("/registers/1", "Connection: close", method="GET"))
    return (await line.until_closed()).status == 404


async def _until_served(caller: Client) -> None:
    """Closed connections are noticed by and by."""
    async with asyncio.timeout(10):
        while True:
            response, _ = await caller.call("GET", "/registers")
            if response.status == 200:
                return
            await asyncio.sleep(0.05)


async def test_more_requests_than_there_is_room_for(
    peer: Peer, caller: Client, processes: Processes
) -> None:
    """Each of them is in hand for as long as its body does not come."""
    lines = [await peer.line() for _ in range(REQUESTS_MAX)]
    for line in lines:
        await line.send(peer.head(COUNT, "Content-Length: 10"))
    refused = await peer.ask(COUNT, b"{}")
    assert refused.status == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.error == "too many requests at once"
    async with aiohttp.request("GET", f"{processes.url}/readyz") as ready:
        assert ready.status == 200
    answers = await asyncio.gather(*(line.until_closed() for line in lines))
    assert {answer.status for answer in answers} == {408}
    await _is_served(caller)
