"""Bodies: what is read exactly, what is refused, and in which words."""

from __future__ import annotations

import pytest

from shared.contracts.recording import RecordItems
from shared.contracts.reports import ReportBuild
from shared.errors import InvalidArgumentError, MalformedError
from shared.messaging.codec import DETAILS_MAX, decode, encode

ITEM = b'{"unique_key": "a", "amount": %s, "originated_at": "2024-01-01T00:00:00Z"}'
RECORD = b'{"kind": "record.items.v1", "store_id": 1, "register_id": 1, "items": [%s]}'


@pytest.mark.parametrize("amount", ["0.1", "12345678901234567890.1234567890123456", "1.10", "-0"])
def test_every_digit_of_an_amount_survives(amount: str) -> None:
    for written in (amount, f'"{amount}"'):
        message = decode(RECORD % (ITEM % written.encode()), RecordItems)
        assert str(message.items[0].amount) == amount or message.items[0].amount == 0
        again = decode(encode(message), RecordItems)
        assert str(again.items[0].amount) == str(message.items[0].amount)
        assert again == message


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"NaN", b"[" * 100_000, b'"\\ud800"', b'{"a": Infinity}']
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError, match="not JSON"):
        decode(body, ReportBuild)


def test_each_wrong_value_is_named_by_its_path_and_its_place_in_the_batch() -> None:
    body = RECORD % b",".join([ITEM % b"1", ITEM % b"true", ITEM % b'"x"'])
    with pytest.raises(InvalidArgumentError) as caught:
        decode(body, RecordItems)
    assert [(one.index, one.field) for one in caught.value.details] == [
        (1, "items.1.amount"),
        (2, "items.2.amount"),
    ]
    assert caught.value.details[0].reason == "must be a number, not true or false"
    assert caught.value.message == (
        "items.1.amount: must be a number, not true or false (and 1 more)"
    )


def test_the_details_are_bounded_and_hold_no_input() -> None:
    body = RECORD % b",".join([ITEM % b'"secret"'] * 1_000)
    with pytest.raises(InvalidArgumentError, match="and 999 more") as caught:
        decode(body, RecordItems)
    assert len(caught.value.details) == DETAILS_MAX
    assert "secret" not in str(caught.value.details)


def test_a_value_that_is_no_object_is_an_invalid_argument() -> None:
    with pytest.raises(InvalidArgumentError):
        decode(b"[1]", ReportBuild)


def test_unknown_fields_of_newer_code_are_ignored() -> None:
    message = decode(
        b'{"kind": "report.build.v1", "store_id": 1, "report_id": 2, "new": 1}', ReportBuild
    )
    assert (message.report_id, message.store_id) == (2, 1)
