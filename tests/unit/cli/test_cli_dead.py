"""Dead letters as they are read and shown: of anybody's making, so nothing in one is trusted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from rich.console import Console

from cli.dead_letter_desk import Filter
from cli.dead_shown import body_lines, hex_lines, letter_data, letter_shown
from shared.messaging.dead_letter import DeadLetter, read_dead_letter
from shared.messaging.dead_letter_queue import Picked


def _dead(body: bytes, headers: dict[str, Any] | None = None, **properties: Any) -> Picked:
    message = DeliveredMessage(
        delivery=Basic.Deliver(),
        header=ContentHeader(properties=Basic.Properties(headers=headers, **properties)),
        body=body,
        channel=None,  # type: ignore[arg-type] # read only
    )
    return Picked(read_dead_letter(message), message)


def _letter(**headers: Any) -> DeadLetter:
    return _dead(b"{}", {name.replace("_", "-"): value for name, value in headers.items()}).letter


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {"x-death": "no list"},
        {"x-death": []},
        {"x-death": ["no table"]},
        {"x-death": [{"queue": 7, "time": "soon", "count": "many"}]},
        {"tallyport-died-at": "yesterday", "tallyport-redrives": -1},
        {"tallyport-queue": b"\xff\xfe", "tallyport-reason": ["a"], "tallyport-redrives": True},
        {"tallyport-reason": "\x00\x1b[31m\ud800"},
        {"x-delivery-count": 2**63, "tallyport-kind": {"deep": [{}]}},
    ],
)
def test_headers_of_anybodys_making_are_read(headers: dict[str, Any] | None) -> None:
    picked = _dead(b"[" * 100_000, headers)
    assert picked.letter.deaths == 1
    assert picked.letter.store_id is None
    assert "\x1b" not in picked.letter.reason
    picked.letter.reason.encode()
    data = letter_data(picked, 1_000)
    Console(width=200, file=None, record=True, quiet=True).print(letter_shown(data, b"", 1_000))


def test_what_the_broker_writes_is_understood() -> None:
    died = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    history = [
        {"queue": "q", "reason": "delivery_limit", "time": died, "count": 3, "exchange": ""},
        {"queue": "older", "reason": "rejected", "time": died, "count": 1, "exchange": ""},
    ]
    letter = _letter(x_death=history)
    assert (letter.queue, letter.reason_code, letter.died_at) == ("q", "delivery_limit", died)
    assert letter.deaths == 3


def test_each_death_of_a_message_has_an_id_of_its_own() -> None:
    def dead(body: bytes, died_at: str, deliveries: int) -> str:
        headers = {"tallyport-died-at": died_at, "x-delivery-count": deliveries}
        return _dead(body, headers, message_id="m").letter.letter_id

    first = dead(b"{}", "2026-01-01T00:00:00+00:00", 0)
    assert first == dead(b"{}", "2026-01-01T00:00:00+00:00", 9)
    assert first != dead(b"{}", "2026-01-02T00:00:00+00:00", 0)
    assert first != dead(b"{ }", "2026-01-01T00:00:00+00:00", 0)


def test_one_without_a_date_is_not_taken_for_a_late_one() -> None:
    since = Filter(since=datetime(2026, 1, 1, tzinfo=UTC))
    assert not since.matches(_letter())
    assert since.matches(_letter(tallyport_died_at="2026-01-01T00:00:00+00:00"))
    assert not since.matches(_letter(tallyport_died_at="2025-12-31T23:59:59"))


def test_bodies() -> None:
    assert body_lines(b'{"a": 0.10}', 100) == ["{", '  "a": 0.10', "}"]
    assert body_lines(b'{"a": 1e999999999}', 100) == ["{", '  "a": 1E+999999999', "}"]
    assert body_lines(b"[" + b"9" * 40 + b"]", 100) == ["[" + "9" * 40 + "]"]
    assert body_lines(b"\x00\xff", 100) is None
    assert body_lines(b"plain text", 100) is None
    # Cut in the middle of a character of two bytes.
    assert body_lines('{"a": "éé"}'.encode(), 8) == ['{"a": "']
    assert hex_lines(b"A\x00\xff" * 6) == [
        "00000000  41 00 ff 41 00 ff 41 00 ff 41 00 ff 41 00 ff 41  A..A..A..A..A..A",
        "00000010  00 ff                                            ..",
    ]
