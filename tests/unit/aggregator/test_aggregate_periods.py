"""Periods: labels, boundaries, and that every instant falls into the period its local date says."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.aggregator.arguments import timezone_names
from services.aggregator.periods import PeriodKind, Periods, divide
from shared.errors import InvalidArgumentError

TICK = timedelta(microseconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def periods(
    kind: str, zone: str, start_at: str, end_at: str, *, periods_max: int = 1_000
) -> Periods:
    return divide(
        PeriodKind(kind), ZoneInfo(zone), at(start_at), at(end_at), periods_max=periods_max
    )


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("day", ("Dec 30 2022", "Dec 31 2022", "Jan 01 2023", "Jan 02 2023")),
        ("week", ("Dec 25 2022", "Jan 01 2023")),
        ("month", ("Dec 2022", "Jan 2023")),
        ("quarter", ("Q4 2022", "Q1 2023")),
        ("year", ("2022", "2023")),
    ],
)
def test_labels(kind: str, labels: tuple[str, ...]) -> None:
    found = periods(kind, "UTC", "2022-12-30T12:00:00Z", "2023-01-02T00:00:00Z")
    assert found.labels == labels
    assert found.numbers is None
    assert len(found.starts) == len(labels)


def test_both_bounds_belong_to_the_range() -> None:
    assert periods("day", "UTC", "2023-01-01T00:00:00Z", "2023-01-02T00:00:00Z").labels == (
        "Jan 01 2023",
        "Jan 02 2023",
    )
    just_before = periods("day", "UTC", "2023-01-01T00:00:00Z", "2023-01-01T23:59:59.999999Z")
    assert just_before.labels == ("Jan 01 2023",)


def test_a_week_bears_the_date_of_its_sunday_even_before_the_start() -> None:
    found = periods("week", "UTC", "2023-01-07T00:00:00Z", "2023-01-09T00:00:00Z")
    assert found.labels == ("Jan 01 2023", "Jan 08 2023")
    assert found.starts[0] == at("2023-01-01T00:00:00Z")


def test_quarters_of_a_year() -> None:
    found = periods("quarter", "UTC", "2023-03-31T23:59:59Z", "2024-01-01T00:00:00Z")
    assert found.labels == ("Q1 2023", "Q2 2023", "Q3 2023", "Q4 2023", "Q1 2024")


def test_days_of_23_and_25_hours() -> None:
    spring = periods("day", "America/Detroit", "2023-03-12T12:00:00Z", "2023-03-13T12:00:00Z")
    assert spring.starts == (at("2023-03-12T05:00:00Z"), at("2023-03-13T04:00:00Z"))
    autumn = periods("day", "America/Detroit", "2023-11-05T12:00:00Z", "2023-11-06T12:00:00Z")
    assert autumn.starts == (at("2023-11-05T04:00:00Z"), at("2023-11-06T05:00:00Z"))


def test_a_day_without_a_midnight_begins_at_its_first_instant() -> None:
    found = periods("day", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z")
    assert found.starts == (
        at("2018-11-03T03:00:00Z"),
        at("2018-11-04T03:00:00Z"),
        at("2018-11-05T02:00:00Z"),
    )


def test_a_gap_that_begins_before_midnight() -> None:
    # Toronto, 1919: clocks went from 23:30 to 00:30.
    found = periods("day", "America/Toronto", "1919-03-30T12:00:00Z", "1919-03-31T12:00:00Z")
    assert found.starts[1] == at("1919-03-31T04:30:00Z")


def test_a_skipped_day_is_listed_and_empty() -> None:
    found = periods("day", "Pacific/Apia", "2011-12-29T22:00:00Z", "2011-12-31T00:00:00Z")
    assert found.labels == ("Dec 29 2011", "Dec 30 2011", "Dec 31 2011")
    assert found.starts[1] == found.starts[2] == at("2011-12-30T10:00:00Z")


def test_an_hour_that_shows_the_day_before_again_belongs_to_it() -> None:
    # At 00:01 clocks went back to 23:01.
    found = periods("day", "America/St_Johns", "2005-10-29T12:00:00Z", "2005-10-30T12:00:00Z")
    assert found.labels == ("Oct 29 2005", "Oct 30 2005")
    assert found.starts == (
        at("2005-10-29T02:30:00Z"),
        at("2005-10-30T02:30:00Z"),
        at("2005-10-30T02:31:00Z"),
        at("2005-10-30T03:30:00Z"),
    )
    assert found.numbers == (1, 2, 1, 2)
    # A range inside that hour knows one day only.
    inside = periods("day", "America/St_Johns", "2005-10-30T02:45:00Z", "2005-10-30T03:00:00Z")
    assert inside.labels == ("Oct 29 2005",)


def test_offsets_with_seconds() -> None:
    found = periods("day", "Africa/Monrovia", "1971-12-31T12:00:00Z", "1972-01-08T12:00:00Z")
    assert found.starts[0] == at("1971-12-31T00:44:30Z")
    assert found.starts[-1] == at("1972-01-08T00:00:00Z")


@pytest.mark.parametrize("kind", list(PeriodKind))
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_the_ends_of_the_calendar(kind: PeriodKind, zone: str) -> None:
    first = periods(kind, zone, "0003-01-01T00:00:00Z", "0003-01-01T00:00:01Z")
    last = periods(kind, zone, "9998-12-31T23:59:58Z", "9998-12-31T23:59:59Z")
    assert len(first.labels) == len(last.labels) == 1
    assert first.labels[0].split()[-1] in ("0002", "0003")


@pytest.mark.parametrize("kind", list(PeriodKind))
def test_a_limit_is_named(kind: PeriodKind) -> None:
    years = {"start_at": "2000-06-15T00:00:00Z", "end_at": "2019-06-15T00:00:00Z"}
    count = len(periods(kind, "UTC", **years, periods_max=10_000).labels)
    assert len(periods(kind, "UTC", **years, periods_max=count).labels) == count
    with pytest.raises(InvalidArgumentError, match=f"^more than {count - 1} periods: "):
        periods(kind, "UTC", **years, periods_max=count - 1)


def test_a_limit_ends_the_work() -> None:
    with pytest.raises(InvalidArgumentError):
        periods("day", "Europe/London", "0003-01-01T00:00:00Z", "9998-12-31T00:00:00Z")


def changes(zone: ZoneInfo, first_year: int, last_year: int) -> Iterator[datetime]:
    """The instants at which the zone's offset changes, found by looking every week."""
    low, end, step = datetime(first_year, 1, 1, tzinfo=UTC), last_year, timedelta(days=7)
    while low.year <= end:
        high = low + step
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            before, after = low, high
            while after - before > timedelta(seconds=1):
                middle = (before + (after - before) / 2).replace(microsecond=0)
                if middle == before:
                    break
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                before, after = (middle, after) if same else (before, middle)
            yield after
        low = high


def label(kind: PeriodKind, day: date) -> str:
    """A second opinion, from strftime."""
    if kind is PeriodKind.WEEK:
        day -= timedelta(days=int(day.strftime("%w")))
    if kind is PeriodKind.QUARTER:
        return f"Q{-(-day.month // 3)} {day:%Y}"
    return day.strftime({"month": "%b %Y", "year": "%Y"}.get(kind, "%b %d %Y"))


def check(kind: PeriodKind, zone: ZoneInfo, change: datetime, chance: random.Random) -> None:
    reach = timedelta(hours=chance.choice([1, 30, 60, 24 * 40]))
    start_at, end_at = change - reach * chance.random(), change + reach * chance.random() + TICK
    found = divide(kind, zone, start_at, end_at, periods_max=1_000)
    midnights = {
        instant.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=fold)
        for instant in (change - timedelta(days=1), change, change + timedelta(days=1))
        for fold in (0, 1)
    }
    sharp = [change, *(midnight.astimezone(UTC) for midnight in midnights)]
    instants = [
        start_at,
        end_at,
        *(start_at + (end_at - start_at) * chance.random() for _ in "12345"),
    ]
    instants += [one + nudge for one in sharp for nudge in (-TICK, timedelta(0), TICK)]
    for instant in instants:
        if start_at <= instant <= end_at:
            stretch = bisect_right(found.starts, instant)
            number = found.numbers[stretch - 1] if found.numbers else stretch
            said = found.labels[number - 1]
            assert said == label(kind, instant.astimezone(zone).date()), (zone, instant, kind)


def test_every_zone_at_the_changes_of_20_years() -> None:
    chance = random.Random(20240229)  # noqa: S311
    for name in sorted(timezone_names()):
        zone = ZoneInfo(name)
        for change in changes(zone, 2008, 2027):
            check(chance.choice(list(PeriodKind)), zone, change, chance)


@pytest.mark.parametrize(
    "name",
    [
        *("America/St_Johns", "America/Juneau", "Asia/Manila", "Pacific/Apia", "Pacific/Kwajalein"),
        *("Africa/Monrovia", "America/Sao_Paulo", "Antarctica/Troll", "Antarctica/Casey"),
        *("America/Goose_Bay", "Asia/Gaza", "Asia/Kathmandu", "Europe/London", "Europe/Dublin"),
        *("Africa/Casablanca", "America/Toronto", "America/Havana", "Australia/Lord_Howe"),
    ],
)
def test_odd_zones_through_all_of_history(name: str) -> None:
    chance, zone = random.Random(name), ZoneInfo(name)  # noqa: S311
    for change in changes(zone, 1840, 2040):
        for kind in PeriodKind:
            check(kind, zone, change, chance)
