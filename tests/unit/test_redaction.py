"""The look into the logs sees what it is meant to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.telemetry import redact
from tests.redaction import Logs

TOKEN = "tp_0123456789abcdefghijABCDEFGHIJ-_klmnopqrstu"


@pytest.mark.parametrize(
    "line",
    [
        f'{{"event": "x", "reason": "no such token {TOKEN}"}}',
        f"Authorization: Bearer {TOKEN}",
        "cannot reach postgresql://tallyport_gateway:hunter2secret@127.0.0.1:5432/tallyport",
        "GET http://files/x.zip?X-Amz-Credential=a%2Fb&X-Amz-Signature=" + "0f" * 32,
    ],
)
def test_a_secret_is_found_unless_it_was_redacted(line: str) -> None:
    logs = Logs()
    assert logs.faults(line)
    assert not logs.faults(redact(line))


def test_a_secret_of_the_suite_is_found_whatever_it_looks_like(tmp_path: Path) -> None:
    logs = Logs()
    logs.learn("hunter2secret", "short")
    file = tmp_path / "gateway.log"
    file.write_text("nothing\nshort\n")
    assert not logs.leaks(iter([file]))
    with file.open("a") as opened:
        opened.write("the password is hunter2secret\n")
    (found,) = logs.leaks(iter([file]))
    assert "hunter2secret" in found
    assert not logs.leaks(iter([file])), "told once"
    assert not logs.leaks(iter([tmp_path / "gone.log"]))
