"""Logs tell what happens, and never a secret."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from shared.telemetry import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://tally:pa55@db:5432/x", "postgresql://tally:***@db:5432/x"),
        ("amqp://u:p%40w@host/ and amqps://u:q@host", "amqp://u:***@host/ and amqps://u:***@host"),
        ("Authorization: Bearer tp_abcdefghijk", "Authorization: Bearer ***"),
        ("the token tp_0123456789abcdef is", "the token tp_*** is"),
        ("?X-Amz-Signature=ab12&x=1", "?X-Amz-Signature=***&x=1"),
        ("nothing here: http://host/a:b", "nothing here: http://host/a:b"),
    ],
)
def test_secrets_are_blotted_out(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize("text", ["a" * 200_000, "a:" * 100_000, "x://" * 50_000, "://:" * 50_000])
def test_a_long_text_costs_little(text: str) -> None:
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < 1


PROGRAM = """
import logging, structlog
from shared.settings import TelemetrySettings
from shared.telemetry import configure_logging
configure_logging(TelemetrySettings(format="json", level="info"), service="tester")
log = structlog.get_logger("services.tester")
log.info("thing.done", url="amqp://u:secret@host/", count=3)
log.debug("thing.detail")
logging.getLogger("aiohttp.access").info("noise")
"""


def test_what_happens_is_one_line_of_json() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    (line,) = done.stderr.splitlines()
    event = json.loads(line)
    assert (event["event"], event["count"], event["service"]) == ("thing.done", 3, "tester")
    assert "secret" not in line
