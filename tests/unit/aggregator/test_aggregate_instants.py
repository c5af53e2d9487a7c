"""docs/http.md, rule 3: which texts are a date and time, and which instant they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.aggregator.instants import parse_instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-01-31T23:59:59Z", datetime(2024, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("2024-01-31T23:59:59", datetime(2024, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("2024-01-31T23:59:59-05:00", datetime(2024, 2, 1, 4, 59, 59, tzinfo=UTC)),
        ("2024-01-31T23:59:59-0500", datetime(2024, 2, 1, 4, 59, 59, tzinfo=UTC)),
        ("2024-01-31T23:59:59+05:45", datetime(2024, 1, 31, 18, 14, 59, tzinfo=UTC)),
        ("2024-01-31T00:00:00-00:00", datetime(2024, 1, 31, tzinfo=UTC)),
        ("2024-01-31T00:00:00.5Z", datetime(2024, 1, 31, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2024-01-31T00:00:00.000001Z", datetime(2024, 1, 31, 0, 0, 0, 1, tzinfo=UTC)),
        ("2024-01-31T00:00:00.9999999Z", datetime(2024, 1, 31, 0, 0, 0, 999_999, tzinfo=UTC)),
        ("2024-01-31t00:00:00z", datetime(2024, 1, 31, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60.25Z", datetime(2017, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("2023-12-31T24:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2023-12-31T24:00:00.000Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0003-01-01T00:00:00Z", datetime(3, 1, 1, tzinfo=UTC)),
        ("9998-12-31T23:59:59Z", datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_reads(text: str, instant: datetime) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    "value",
    [
        *("", "2024-01-01", "2024-01-01 00:00:00", "2024-01-01 00:00:00Z", "20240101T000000Z"),
        *("2024-01-01T00:00Z", "2024-01-01T00Z", "2024-01-01T00:00:00+05", "2024-01-01T00:00:00,5"),
        *("2024-01-01T00:00:00.Z", "2024-01-01T00:00:00 Z", " 2024-01-01T00:00:00Z"),
        *("2024-01-01T00:00:00Z\n", "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00+05:60"),
        *("2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z"),
        *("2024-01-01T25:00:00Z", "2024-01-01T24:00:01Z", "2024-01-01T24:00:00.1Z"),
        *("2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z", "2024-01-01T00:00:00+5:00"),
        *("0002-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "9998-12-31T23:59:59-00:01"),
        *("0000-01-01T00:00:00Z", "-2024-01-01T00:00:00Z", "12024-01-01T00:00:00Z"),
        *("٢٠٢٤-01-01T00:00:00Z", "2024-001T00:00:00Z", "2024-W01-1T00:00:00Z"),
        *("9998-12-31T23:59:60Z", "yesterday", "2024-01-01T00:00:00Europe/London"),
        *(None, True, 0, 1704067200, Decimal("1.5"), [], {}, ["2024-01-01T00:00:00Z"]),
    ],
)
def test_refuses(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_instant(value)


def test_keeps_the_offset_it_was_written_with() -> None:
    assert parse_instant("2024-01-01T00:00:00-05:00").utcoffset() == timedelta(hours=-5)
    assert parse_instant("2024-01-01T00:00:00").utcoffset() == timedelta(0)
