"""A store's wall-clock times and the instants they mean (docs/http.md, Asynchronous reports)."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from shared.reporting.wall_clock import instant_of, parse_wall_clock, show

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    "text",
    [
        "2022-01-31 23:59:59",
        "2022-01-31T23:59:59",
        "2022-01-31T23:59:59Z",
        "2022-01-31 23:59:59-08:00",
        "2022-01-31T23:59:59+0530",
    ],
)
def test_an_offset_is_accepted_and_ignored(text: str) -> None:
    assert parse_wall_clock(text) == datetime(2022, 1, 31, 23, 59, 59)  # noqa: DTZ001


@pytest.mark.parametrize(
    "text",
    [
        "2022-01-31",
        "2022-02-30 00:00:00",
        "2022-01-31 24:00:00",
        "2022-1-31 00:00:00",
        "2022-01-31 23:59",
        "2022-01-31 23:59:59.5",
        "31/01/2022 00:00:00",
        "२०२२-01-31 23:59:59",
        "0001-01-01 00:00:00",
        "9999-12-31 23:59:59",
        " 2022-01-31 23:59:59",
        "2022-01-31 23:59:59 PST",
        "",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be written|is no date|between the years"):
        parse_wall_clock(text)


@pytest.mark.parametrize("is_end", [False, True])
def test_a_time_that_the_clock_skipped_moves_forward_by_the_gap(is_end: bool) -> None:
    # 2024-03-10: New York's clocks went from 02:00 EST to 03:00 EDT. 02:30 becomes 03:30 EDT.
    wall = parse_wall_clock("2024-03-10 02:30:00")
    assert instant_of(wall, NEW_YORK, is_end=is_end) == datetime(2024, 3, 10, 7, 30, tzinfo=UTC)


def test_a_time_that_occurs_twice_starts_at_the_first_and_ends_at_the_second() -> None:
    # 2024-11-03: 01:30 came at 05:30 UTC (EDT) and again at 06:30 UTC (EST).
    wall = parse_wall_clock("2024-11-03 01:30:00")
    assert instant_of(wall, NEW_YORK, is_end=False) == datetime(2024, 11, 3, 5, 30, tzinfo=UTC)
    assert instant_of(wall, NEW_YORK, is_end=True) == datetime(2024, 11, 3, 6, 30, tzinfo=UTC)


def test_the_seeds_own_example_is_shown_as_it_shows_it() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    start = instant_of(parse_wall_clock("2022-01-01 00:00:00"), zone, is_end=False)
    end = instant_of(parse_wall_clock("2022-01-31 23:59:59"), zone, is_end=True)
    assert show(start, zone.key) == "2022-01-01T00:00:00-0800"
    assert show(end, zone.key) == "2022-01-31T23:59:59-0800"
    assert show(datetime(2022, 7, 1, tzinfo=UTC), zone.key) == "2022-06-30T17:00:00-0700"
