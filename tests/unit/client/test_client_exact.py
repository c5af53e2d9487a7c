"""No binary float on the way in or out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tallyport_client.errors import NotTallyportError
from tallyport_client.exact import from_json, to_json


def test_every_digit_comes_in() -> None:
    body = b'{"value": 0.10000000000000000000000000000000000001, "n": 3, "e": 1e3}'
    assert from_json(body) == {
        "value": Decimal("0.10000000000000000000000000000000000001"),
        "n": 3,
        "e": Decimal("1e3"),
    }
    assert type(from_json(b"3")) is int


def test_every_digit_goes_out() -> None:
    record = {
        "amount": Decimal("1E+3"),
        "at": datetime(2024, 1, 1, tzinfo=UTC),
        "day": date(2024, 1, 1),
        "meta": {"naïve": None},
        "list": (1, True),
    }
    assert to_json(record).decode() == (
        '{"amount":"1000","at":"2024-01-01T00:00:00+00:00","day":"2024-01-01",'
        '"meta":{"naïve":null},"list":[1,true]}'
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.1, "binary float"),
        (datetime(2024, 1, 1), "no offset"),  # noqa: DTZ001
        (Decimal("NaN"), "no amount"),
        ({1}, "set"),
    ],
)
def test_what_would_be_guessed_at_is_refused(value: object, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        to_json({"value": value})


@pytest.mark.parametrize("body", [b"<html>", b"NaN", b""])
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(NotTallyportError):
        from_json(body)
