"""What a range is compared with: whole periods with whole periods, the rest by duration."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.aggregator.arguments import Measure, Scope
from services.aggregator.periods import PeriodKind, divide
from services.aggregator.previous_range import previous
from shared.errors import InvalidArgumentError


def before(period: str | None, start: str, end: str, zone: str = "UTC") -> tuple[str, str]:
    """(start, end) by the zone's clock, and as many periods as there are."""
    scope = Scope(
        measure=Measure.COUNT,
        timezone=zone,
        start_at=datetime.fromisoformat(start).astimezone(UTC),
        end_at=datetime.fromisoformat(end).astimezone(UTC),
        store_id=1,
        register_id=1,
    )
    kind = PeriodKind(period) if period else None
    periods = kind and divide(kind, scope.zone, scope.start_at, scope.end_at, periods_max=10_000)
    moved, theirs = previous(kind, scope, periods)
    if periods is not None:
        assert theirs is not None
        assert len(theirs.labels) == len(periods.labels)
        assert [*theirs.starts] == sorted(theirs.starts)
    bounds = (at.astimezone(scope.zone).isoformat() for at in (moved.start_at, moved.end_at))
    return next(bounds), next(bounds)


DETROIT = "America/Detroit"
APIA = "Pacific/Apia"


@pytest.mark.parametrize(
    ("period", "start", "end", "zone", "expected"),
    [
        # February of a leap year has January before it, not the 29 days before.
        (
            *("month", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59Z", "UTC"),
            ("2024-01-01T00:00:00+00:00", "2024-01-31T23:59:59+00:00"),
        ),
        (
            *("month", "2024-01-01T00:00:00Z", "2024-03-31T23:59:59.999999Z", "UTC"),
            ("2023-10-01T00:00:00+00:00", "2023-12-31T23:59:59.999999+00:00"),
        ),
        # The clocks were set forward in March: 31 days, an hour less.
        (
            *("month", "2024-04-01T00:00:00-04:00", "2024-04-30T23:59:59-04:00", DETROIT),
            ("2024-03-01T00:00:00-05:00", "2024-03-31T23:59:59-04:00"),
        ),
        (
            *("day", "2024-03-11T00:00:00-04:00", "2024-03-11T23:59:59-04:00", DETROIT),
            ("2024-03-10T00:00:00-05:00", "2024-03-10T23:59:59-04:00"),
        ),
        (
            *("week", "2024-01-14T00:00:00Z", "2024-01-27T23:59:59.5Z", "UTC"),
            ("2023-12-31T00:00:00+00:00", "2024-01-13T23:59:59.500000+00:00"),
        ),
        (
            *("quarter", "2024-01-01T00:00:00Z", "2024-03-31T23:59:59Z", "UTC"),
            ("2023-10-01T00:00:00+00:00", "2023-12-31T23:59:59+00:00"),
        ),
        (
            *("year", "2024-01-01T00:00:00Z", "2024-12-31T23:59:59Z", "UTC"),
            ("2023-01-01T00:00:00+00:00", "2023-12-31T23:59:59+00:00"),
        ),
        # Apia skipped the 30th: there was no such day.
        (
            *("day", "2011-12-31T00:00:00+14:00", "2011-12-31T23:59:59+14:00", APIA),
            ("2011-12-29T00:00:00-10:00", "2011-12-29T23:59:59-10:00"),
        ),
        # To the last second at least: whole, whatever of it is left out.
        (
            *("day", "2011-12-31T00:00:00+14:00", "2011-12-31T23:59:59.9993+14:00", APIA),
            ("2011-12-29T00:00:00-10:00", "2011-12-29T23:59:59.999300-10:00"),
        ),
        # The two days before these two are the 29th and the 31st.
        (
            *("day", "2012-01-01T00:00:00+14:00", "2012-01-02T23:59:59+14:00", APIA),
            ("2011-12-29T00:00:00-10:00", "2011-12-31T23:59:59+14:00"),
        ),
        # The skipped one has a row among its neighbours: three rows have three days before them.
        (
            *("day", "2011-12-29T00:00:00-10:00", "2011-12-31T23:59:59+14:00", APIA),
            ("2011-12-26T00:00:00-10:00", "2011-12-28T23:59:59-10:00"),
        ),
        # Longer periods are what is left of them: a December of 30 days.
        (
            *("month", "2012-01-01T00:00:00+14:00", "2012-01-31T23:59:59+14:00", APIA),
            ("2011-12-01T00:00:00-10:00", "2011-12-31T23:59:59+14:00"),
        ),
        # Not whole: the same duration.
        (
            *("month", "2024-02-02T00:00:00Z", "2024-02-29T23:59:59Z", "UTC"),
            ("2024-01-05T00:00:00+00:00", "2024-02-01T23:59:59+00:00"),
        ),
        (
            *("month", "2024-02-01T00:00:00Z", "2024-02-29T23:59:58Z", "UTC"),
            ("2024-01-03T00:00:01.999999+00:00", "2024-01-31T23:59:59.999999+00:00"),
        ),
        (
            *(None, "2024-02-01T00:00:00Z", "2024-02-29T23:59:59Z", "UTC"),
            ("2024-01-03T00:00:00+00:00", "2024-01-31T23:59:59+00:00"),
        ),
        (
            *("day", "2024-02-01T06:00:00Z", "2024-02-01T17:59:59Z", "UTC"),
            ("2024-01-31T18:00:00+00:00", "2024-02-01T05:59:59+00:00"),
        ),
    ],
)
def test_the_range_before(
    period: str | None, start: str, end: str, zone: str, expected: tuple[str, str]
) -> None:
    assert before(period, start, end, zone) == expected


def test_a_skipped_day_has_no_place_among_those_compared_with() -> None:
    """By hand: of 1 to 3 January 2012 the days before are 29 December (-10:00), 31 December and
    nothing else that there was; so three of them begin on the 28th."""
    start, end = "2012-01-01T00:00:00+14:00", "2012-01-03T23:59:59+14:00"
    scope = Scope(
        measure=Measure.COUNT,
        timezone=APIA,
        start_at=datetime.fromisoformat(start).astimezone(UTC),
        end_at=datetime.fromisoformat(end).astimezone(UTC),
        store_id=1,
        register_id=1,
    )
    days = divide(PeriodKind.DAY, scope.zone, scope.start_at, scope.end_at, periods_max=10)
    moved, theirs = previous(PeriodKind.DAY, scope, days)
    assert theirs is not None
    assert theirs.labels == ("Dec 28 2011", "Dec 29 2011", "Dec 31 2011")
    assert theirs.starts == (
        datetime(2011, 12, 28, 10, tzinfo=UTC),
        datetime(2011, 12, 29, 10, tzinfo=UTC),
        datetime(2011, 12, 30, 10, tzinfo=UTC),
    )
    assert theirs.numbers is None
    assert moved.end_at == datetime(2011, 12, 31, 9, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("period", [None, "year"])
def test_there_is_nothing_before_time(period: str | None) -> None:
    with pytest.raises(InvalidArgumentError, match="before the year 3") as refused:
        before(period, "0003-01-01T00:00:00Z", "1500-12-31T23:59:59Z")
    assert refused.value.details[0].field == "compare"
