"""The blocking twin, where no loop runs and where one does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tallyport_client import NotFoundError, Register, Tallyport

REGISTER = {
    "id": 1,
    "name": "Stock",
    "units": "USD",
    "meta": {"meta0": "warehouse"},
    "version": 0,
    "is_sales": False,
    "date_created": "2026-11-22T06:18:31.737159+00:00",
    "date_modified": "2026-11-22T06:18:31.737159+00:00",
}


class Answering(BaseHTTPRequestHandler):
    """In a thread of its own: a loop that is held up could not answer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found: Any = {"/registers/1": REGISTER, "/registers": {"registers": [REGISTER, REGISTER]}}
        content = found.get(self.path.partition("?")[0])
        body = json.dumps(content or {"error": "no such register"}).encode()
        self.send_response(200 if content else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def ask() -> list[Register]:
    with answering() as url, Tallyport(url, "secret") as tallyport:
        found = [tallyport.registers.get(1), *tallyport.registers.list()]
        with pytest.raises(NotFoundError, match="no such register"):
            tallyport.registers.get(2)
        return found


def test_where_no_loop_runs() -> None:
    found = ask()
    assert [register.labels for register in found] == [("warehouse",)] * 3


async def test_where_a_loop_runs() -> None:
    assert len(ask()) == 3


def test_a_walk_that_is_left_early_is_closed_and_its_thread_ends() -> None:
    before = threading.active_count()
    with answering() as url, Tallyport(url, "secret") as tallyport:
        for register in tallyport.registers.list():
            assert register.id == 1
            break
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="closed"):
        tallyport.registers.get(1)
    tallyport.close()


def test_a_callback_that_would_wait_for_itself_is_told_so() -> None:
    with answering() as url, Tallyport(url, "secret") as tallyport:

        def records() -> Iterator[Any]:
            tallyport.registers.get(1)
            yield {}

        with pytest.raises(RuntimeError, match="cannot wait for this client"):
            tallyport.items.record(1, records())


def test_an_address_that_is_none() -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="not an address"):
        Tallyport("localhost:8080", "secret")
    assert threading.active_count() == before
