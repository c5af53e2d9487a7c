"""What could be read as one request or as two: refused, or answered once and the connection closed.

Behind each outer request stands a second one, that a proxy in front of us would take for a part of
the first: it would make a register. None is made.
"""

from __future__ import annotations

import json

import pytest

from tests.component.conftest import Client
from tests.overload.conftest import BODY_IDLE_SECONDS, Processes
from tests.overload.sockets import Answer, Line, Peer

REGISTERS = "/registers"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
MIB = 2**20


def register(peer: Peer, name: str, *headers: str) -> bytes:
    """A whole request that makes one."""
    body = json.dumps({"name": name}).encode()
    return peer.head(REGISTERS, f"Content-Length: {len(body)}", *headers) + body


async def registers(caller: Client) -> list[str]:
    return [made["name"] for made in (await caller.get(REGISTERS))["registers"]]


def answers(answer: Answer) -> int:
    return answer.raw.count(b"HTTP/1.1 ") + answer.raw.count(b"HTTP/1.0 ")


async def test_two_requests_on_one_connection_are_two(peer: Peer, caller: Client) -> None:
    """The control: what stands behind a request is read, and would be seen."""
    line = await peer.line()
    await line.send(register(peer, "first") + register(peer, "second", "Connection: close"))
    answer = await line.until_closed()
    assert answers(answer) == 2
    assert await registers(caller) == ["first", "second"]


LENGTHS = {
    "both": (["Content-Length: 5", CHUNKED], HELLO),
    "both, the other way": ([CHUNKED, "Content-Length: 5"], HELLO),
    "two lengths": (["Content-Length: 5", "Content-Length: 0"], b"hello"),
    "the same length twice": (["Content-Length: 5", "Content-Length: 5"], b"hello"),
    "a list of lengths": (["Content-Length: 5, 5"], b"hello"),
    "a signed length": (["Content-Length: +5"], b"hello"),
    "a hexadecimal length": (["Content-Length: 0x5"], b"hello"),
    "no length": (["Content-Length: "], b""),
    "a length behind a control character": (["Content-Length: \x0b5"], b"hello"),
    "a folded length": (["Content-Length:\r\n 5"], b"hello"),
    "a folded line": (["X-Note: a\r\n b", "Content-Length: 5"], b"hello"),
    "a folded coding": (["Transfer-Encoding:\r\n chunked", "Content-Length: 5"], HELLO),
    "a line that ends in LF": (["X-Note: a\nContent-Length: 5"], b"hello"),
    "a line that ends in CR": (["X-Note: a\rContent-Length: 5"], b"hello"),
    "a space before the colon": (["Transfer-Encoding : chunked", "Content-Length: 5"], b"hello"),
    "chunked, identity": (["Transfer-Encoding: chunked, identity"], HELLO),
    "identity, chunked": (["Transfer-Encoding: identity, chunked"], HELLO),
    "identity": (["Transfer-Encoding: identity", "Content-Length: 5"], b"hello"),
    "gzip, chunked": (["Transfer-Encoding: gzip, chunked"], HELLO),
    "chunked twice": (["Transfer-Encoding: chunked, chunked"], HELLO),
    "chunked in two lines": ([CHUNKED, CHUNKED], HELLO),
    "chunked, then identity": ([CHUNKED, "Transfer-Encoding: identity"], HELLO),
    "a coding of their own": (["Transfer-Encoding: xchunked", "Content-Length: 5"], b"hello"),
    "a coding behind a control character": (
        ["Transfer-Encoding: \x0bchunked", "Content-Length: 5"],
        b"hello",
    ),
}
CHUNKS = {
    "a size that ends in LF": b"5\nhello\r\n0\r\n\r\n",
    "a chunk that ends in LF": b"5\r\nhello\n0\r\n\r\n",
    "an end that ends in LF": b"5\r\nhello\r\n0\n\n",
    "a longer chunk": b"5\r\nhelloXX\r\n0\r\n\r\n",
    "a hexadecimal prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a signed size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a digit separator": b"1_0\r\nhello67890123456\r\n0\r\n\r\n",
    "a size that overflows": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "an extension that ends in LF": b"2;\nxx\r\n4c\r\n0\r\n\r\n",
    "an extension with a CR": b"5;a=\rb\r\nhello\r\n0\r\n\r\n",
    "a trailer that ends in LF": b"0\r\nX-Note: a\n\r\n",
    "a trailer with a length": b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
}
SHAPES = {**LENGTHS, **{name: ([CHUNKED], body) for name, body in CHUNKS.items()}}


async def refused(line: Line) -> Answer:
    """Answered once, with an error, and closed."""
    answer = await line.until_closed()
    assert answers(answer) == 1, answer.raw
    assert answer.status in (400, 501)
    assert answer.error
    return answer


@pytest.mark.parametrize(("headers", "body"), SHAPES.values(), ids=SHAPES)
async def test_what_can_be_read_in_two_ways_is_refused(
    peer: Peer, caller: Client, headers: list[str], body: bytes
) -> None:
    line = await peer.line()
    await line.send(peer.head(REGISTERS, *headers) + body + register(peer, "smuggled"))
    await refused(line)
    assert await registers(caller) == []


async def test_chunks_are_none_in_http_1_0(peer: Peer, caller: Client) -> None:
    head = peer.head(REGISTERS, CHUNKED, "Connection: keep-alive")
    line = await peer.line()
    await line.send(head.replace(b"HTTP/1.1", b"HTTP/1.0", 1) + HELLO + register(peer, "smuggled"))
    assert "HTTP/1.0" in (await refused(line)).error
    assert await registers(caller) == []


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
async def test_another_protocol_is_not_spoken(peer: Peer, caller: Client, protocol: str) -> None:
    """Answered as if nobody had asked for it; what follows may be the other protocol."""
    line = await peer.line()
    upgrade = register(peer, "outer", "Connection: Upgrade", f"Upgrade: {protocol}")
    await line.send(upgrade + register(peer, "smuggled"))
    answer = await line.until_closed()
    assert (answers(answer), answer.status) == (1, 201)
    assert await registers(caller) == ["outer"]


async def test_nobody_is_connected_through(peer: Peer, caller: Client) -> None:
    line = await peer.line()
    head = peer.head("elsewhere:443", method="CONNECT")
    await line.send(head + register(peer, "smuggled"))
    answer = await line.until_closed()
    assert answers(answer) == 1
    assert answer.status in (400, 404, 405)
    assert await registers(caller) == []


async def told_to_send(peer: Peer, *headers: str) -> Line:
    """A connection whose request waits for its body: the gateway has said that it wants it."""
    line = await peer.line()
    await line.send(peer.head(REGISTERS, "Expect: 100-continue", *headers))
    assert await line.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    return line


async def test_who_asks_first_is_told_to_send(peer: Peer, caller: Client) -> None:
    body = b'{"name": "asked"}'
    line = await told_to_send(peer, f"Content-Length: {len(body)}", "Connection: close")
    await line.send(body)
    answer = await line.until_closed()
    assert (answers(answer), answer.status) == (1, 201)
    assert await registers(caller) == ["asked"]


async def test_a_body_that_was_asked_for_and_never_comes(peer: Peer) -> None:
    line = await told_to_send(peer, "Content-Length: 5")
    answer = await line.until_closed()
    assert (answers(answer), answer.status) == (1, 408)
    assert answer.seconds >= 0.9 * BODY_IDLE_SECONDS


async def test_what_would_be_too_large_is_not_asked_for(peer: Peer) -> None:
    line = await peer.line()
    await line.send(peer.head(REGISTERS, "Expect: 100-continue", f"Content-Length: {10 * MIB}"))
    answer = await line.until_closed()
    assert (answers(answer), answer.status) == (1, 413)


async def test_who_has_no_token_is_not_asked_to_send(peer: Peer) -> None:
    line = await peer.line()
    head = peer.head(REGISTERS, "Expect: 100-continue", "Content-Length: 1000")
    await line.send(head.replace(peer.token.encode(), b"tp_nobodys"))
    answer = await line.until_closed()
    assert (answers(answer), answer.status) == (1, 401)


async def test_another_expectation_is_not_met(peer: Peer) -> None:
    line = await peer.line()
    head = peer.head(REGISTERS, "Expect: 200-ok", "Content-Length: 5", "Connection: close")
    await line.send(head + b"hello")
    answer = await line.until_closed()
    assert (answers(answer), answer.status) == (1, 417)


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS)
async def test_a_body_that_goes_wrong_on_its_way_is_told_at_once(
    peer: Peer, caller: Client, body: bytes
) -> None:
    """Not when it has been silent for long enough (408), which it would never be."""
    line = await told_to_send(peer, CHUNKED)
    await line.send(b"1\r\n[\r\n" + body + register(peer, "smuggled"))
    answer = await line.until_closed()
    assert (answers(answer), answer.status) == (1, 400), answer.raw
    assert await registers(caller) == []


EXTENSION = b"1;" + b"a" * 8_000 + b"\r\n \r\n"
TRAILER = b"X-Note: " + b"a" * 8_000 + b"\r\n"


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"", EXTENSION),
        (b"1;", b"a" * 8_000),
        (b"0\r\n", TRAILER),
        (b"0\r\nX-Note: ", b"a" * 8_000),
    ],
    ids=["extensions", "an extension", "trailers", "a trailer"],
)
async def test_a_body_of_nothing_but_wrapping(
    peer: Peer, processes: Processes, begin: bytes, again: bytes
) -> None:
    """Megabytes around a few bytes, as fast as they are taken."""
    before = processes.memory_mib()["gateway"]
    line = await told_to_send(peer, CHUNKED)
    await line.send(begin)
    for _ in range(1_000):
        await line.send(again)
        if line.reader.at_eof() or line.writer.is_closing():
            break
    answer = await line.until_closed()
    # It may have been told while it was still sending, and heard nothing of it.
    assert answer.status in (0, 400)
    assert answers(answer) <= 1
    assert processes.memory_mib()["gateway"] < before + 30
