"""Requests made to break what reads them: each gets a clear answer, and costs no memory."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from tests.component.conftest import Client
from tests.overload.conftest import Processes
from tests.overload.sockets import Peer

COUNT = "/reports/item_count"
MIB = 2**20
# What an answer may leave behind: allocators do not give everything back at once.
LEFT_MIB = 30


@pytest.fixture(autouse=True)
def nothing_is_left(processes: Processes) -> object:
    """Memory, and the log: what strangers send is no error of ours."""
    before = processes.memory_mib()
    lines = processes.log("gateway").count("\n")
    yield
    for name, mib in processes.memory_mib().items():
        assert mib < before[name] + LEFT_MIB, f"{name} has grown"
    new = processes.log("gateway").split("\n")[lines:]
    assert [line for line in new if "Traceback" in line or "http.crashed" in line] == []


async def test_a_huge_body_is_refused_by_its_length(peer: Peer) -> None:
    line = await peer.line()
    await line.send(peer.head(COUNT, "Content-Length: 1000000000000"))
    answer = await line.until_closed()
    assert answer.status == 413
    assert answer.error == "the body is over 1048576 bytes"


async def test_a_huge_body_without_a_length_is_cut_off(peer: Peer) -> None:
    line = await peer.line()
    await line.send(peer.head(COUNT, "Transfer-Encoding: chunked"))
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for _ in range(40):
        await line.send(chunk)
    assert (await line.until_closed()).status == 413


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_bomb(peer: Peer, encoding: str) -> None:
    air = b" " * (64 * MIB)
    packed = gzip.compress(air) if encoding == "gzip" else zlib.compress(air)
    answer = await peer.ask(COUNT, packed, f"Content-Encoding: {encoding}")
    assert answer.status == 413
    assert answer.headers["connection"] == "close"


async def test_a_bomb_of_records(peer: Peer, caller: Client) -> None:
    """An upload may be of any size, but not of any emptiness."""
    register = await caller.post("/registers", {"name": "R", "meta": []}, status=201)
    packed = gzip.compress(b"[" + b" " * (64 * MIB))
    answer = await peer.ask(f"/registers/{register['id']}/items", packed, "Content-Encoding: gzip")
    assert answer.status == 413
    assert answer.error == "the body unpacks to over 200 times its size"


@pytest.mark.parametrize(
    ("encoding", "status"), [("gzip", 400), ("deflate", 400), ("br", 415), ("zstd", 415)]
)
async def test_what_is_not_packed_as_it_says(peer: Peer, encoding: str, status: int) -> None:
    answer = await peer.ask(COUNT, b"\x00\x01\x02 not packed", f"Content-Encoding: {encoding}")
    assert answer.status == status
    assert "ncoding" in answer.error


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"register_id": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"register_id": ' + b'{"a":' * 190 + b"1" + b"}" * 190 + b"}",
    ],
)
@pytest.mark.parametrize("path", [COUNT, "/reports/query", "/registers", "/reports"])
async def test_deep_json(peer: Peer, path: str, body: bytes) -> None:
    answer = await peer.ask(path, body)
    assert answer.status in (400, 422)


@pytest.mark.parametrize("path", [COUNT, "/reports/query", "/registers"])
@pytest.mark.parametrize(
    "number",
    ["1e999999999", "-1e999999999", "1e-999999999", "9" * 1_000_000, "0." + "1" * 900_000, "1e400"],
    ids=["exponent", "negative", "small", "digits", "fraction", "double"],
)
async def test_huge_numbers(peer: Peer, path: str, number: str) -> None:
    content = f'{{"register_id": {number}, "limit": {number}, "name": {number}}}'
    answer = await peer.ask(path, content.encode())
    assert answer.status in (400, 413, 422)
    assert answer.seconds < 10


@pytest.mark.parametrize("amount", ["1e999999999", "1e-999999999", '"1e999999999"', "9" * 200_000])
async def test_huge_amounts(peer: Peer, caller: Client, amount: str) -> None:
    register = await caller.post("/registers", {"name": "R", "meta": []}, status=201)
    item = f'[{{"unique_key": "a", "originated_at": "2024-01-01T00:00:00Z", "amount": {amount}}}]'
    answer = await peer.ask(f"/registers/{register['id']}/items", item.encode())
    assert answer.status in (400, 422)
    assert answer.seconds < 10


async def test_many_headers(peer: Peer) -> None:
    answer = await peer.ask(COUNT, b"{}", *(f"X-{number}: {number}" for number in range(10_000)))
    assert answer.status == 400
    assert answer.error.startswith("this is no HTTP request")


@pytest.mark.parametrize("header", ["X-Long: " + "a" * 100_000, "Cookie: " + "a=b; " * 20_000])
async def test_a_huge_header(peer: Peer, header: str) -> None:
    assert (await peer.ask(COUNT, b"{}", header)).status == 400


async def test_a_huge_address(peer: Peer) -> None:
    assert (await peer.ask("/registers?" + "a" * 100_000, b"", method="GET")).status == 400


async def test_a_head_without_end(peer: Peer) -> None:
    """Megabytes of it, as fast as they are taken."""
    line = await peer.line()
    await line.send(peer.head(COUNT)[:-2])
    for _ in range(400):
        await line.send(b"X-More: " + b"a" * 8_000 + b"\r\n")
    assert (await line.until_closed()).status in (0, 400, 408)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
    ],
)
async def test_what_is_no_http(peer: Peer, sent: bytes) -> None:
    line = await peer.line()
    await line.send(sent)
    answer = await line.until_closed()
    assert answer.status in (400, 401, 404, 405, 408)
    if answer.status == 400:
        assert json.loads(answer.raw.partition(b"\r\n\r\n")[2])["error"]
