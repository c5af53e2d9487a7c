"""What the client raises, as the command line tells it."""

from __future__ import annotations

from decimal import Decimal

import pytest

import tallyport_client as client
from cli.error_text import command_error, reasons
from cli.json_text import json_text
from cli.outcomes import ExitCode
from tallyport_client.refusals import refusal


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (422, b'{"error": "Invalid register_id"}', ["Invalid register_id"]),
        (
            422,
            (
                b'{"error": "bad item", "errors": [{"index": 3, "field": "amount", "reason": "no"}]'
                b', "inserted": 2000, "duplicates": 0}'
            ),
            [
                "bad item",
                "[3].amount: no",
                (
                    "before that: 2000 inserted, 0 duplicates; sending all of it again changes "
                    "nothing of these"
                ),
            ],
        ),
        (
            422,
            (
                b'{"total": 2, "_embedded": {"fx:errors": [{"logref": "id-1", "message": "a"},'
                b' {"logref": "id-2", "message": "b"}]}}'
            ),
            ["a", "b"],
        ),
        (502, b"<html>", ["502 Bad Gateway: <html>"]),
        (599, b"", ["599 unknown status"]),
        (500, b"[]", ["500 Internal Server Error: []"]),
    ],
)
def test_the_reasons_are_the_services_own(status: int, body: bytes, expected: list[str]) -> None:
    assert reasons(refusal(status, {}, body)) == expected


def test_a_refused_token_comes_with_advice() -> None:
    refused = refusal(401, {}, b'{"error": "a valid bearer token is required"}')
    assert "TALLYPORT_TOKEN" in reasons(refused)[1]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (refusal(422, {}, b""), ExitCode.REFUSED),
        (refusal(504, {}, b""), ExitCode.TIMED_OUT),
        (client.UnreachableError("gone"), ExitCode.UNREACHABLE),
        (client.TimedOutError("late"), ExitCode.TIMED_OUT),
        (client.DamagedFileError("bad"), ExitCode.BAD_FILE),
        (client.NotTallyportError("html"), ExitCode.REFUSED),
        (client.ReportFailedError(1, "code", "why"), ExitCode.REFUSED),
        (client.ReportRemovedError("gone"), ExitCode.REFUSED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_has_its_exit_code(error: client.ClientError, code: ExitCode) -> None:
    assert command_error(error).exit_code is code
    assert str(error) in str(command_error(error))


def test_json_keeps_every_digit() -> None:
    exact = {"value": Decimal("0.10000000000000000000000000000000000001")}
    assert json_text(exact) == '{"value":0.10000000000000000000000000000000000001}'
    assert json_text({"value": Decimal("1E+3")}) == '{"value":1000}'
