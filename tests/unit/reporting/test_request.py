"""What a report can be asked for with, and how everything that is wrong is told at once."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.contracts.reports import ReportArguments
from shared.database.accounts import Store
from shared.database.reports import NewReport
from shared.errors import InvalidArgumentError
from shared.reporting.request import check_request

STORE = Store(7, "Tea", "America/Los_Angeles", "USD", 2)
GOOD: dict[str, Any] = {
    "name": "customers",
    "datetime_start": "2022-01-01 00:00:00",
    "datetime_end": "2022-01-31 23:59:59",
}


def _check(**changes: Any) -> NewReport:
    return check_request(ReportArguments(**{**GOOD, **changes}), STORE, user_id=3)


def _refusals(**changes: Any) -> list[str]:
    with pytest.raises(InvalidArgumentError) as refused:
        _check(**changes)
    return [detail.reason for detail in refused.value.details]


def test_the_range_is_the_stores_own_time() -> None:
    new = _check()
    assert new.range_start == datetime(2022, 1, 1, 8, tzinfo=UTC)
    assert new.range_end == datetime(2022, 2, 1, 7, 59, 59, tzinfo=UTC)
    assert (new.store_id, new.user_id, new.timezone) == (7, 3, "America/Los_Angeles")


@pytest.mark.parametrize("version", [None, "", 1, "1"])
def test_the_latest_version_has_many_spellings_and_one_name(version: object) -> None:
    assert _check(version=version).version == "1"


@pytest.mark.parametrize("version", [2, "2", "01", True, 1.5, 1.0, Decimal("1.0"), [], {}, "1 "])
def test_another_version_is_refused(version: object) -> None:
    assert _refusals(version=version) == ["version must be 1, or empty for the latest"]


def test_a_long_version_is_told_to_be_long() -> None:
    assert _refusals(version="1" * 51) == ["version must not be longer than 50 characters"]


@pytest.mark.parametrize("name", ["Customers", "sales", 1, [], {"a": 1}, True])
def test_another_name_is_refused_with_the_list(name: object) -> None:
    (reason,) = _refusals(name=name)
    assert reason.startswith("name must be one of the following: ")
    assert "customers" in reason


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("field", ["name", "datetime_start", "datetime_end"])
def test_what_is_required_is_named(field: str, value: object) -> None:
    assert _refusals(**{field: value}) == [f"{field} is required"]


@pytest.mark.parametrize("end", ["2022-01-01 00:00:00", "2021-12-31 23:59:59"])
def test_the_end_is_later_than_the_start(end: str) -> None:
    assert _refusals(datetime_end=end) == ["datetime_end must be later than datetime_start"]


def test_an_hour_that_occurs_twice_is_a_range_of_an_hour() -> None:
    new = _check(datetime_start="2022-11-06 01:30:00", datetime_end="2022-11-06 01:30:00")
    assert (new.range_end - new.range_start).total_seconds() == 3600


@pytest.mark.parametrize("value", [5, [], "tomorrow", True])
def test_a_time_that_is_none_is_told_how_to_be_written(value: object) -> None:
    assert _refusals(datetime_start=value) == ["datetime_start must be written YYYY-MM-DD HH:MM:SS"]


@pytest.mark.parametrize(
    ("value", "means"),
    [(None, False), ("", False), ("false", False), (False, False), (True, True), ("true", True)],
)
def test_compress_is_a_flag_in_json_and_in_forms(value: object, means: bool) -> None:
    assert _check(compress=value).compress is means


def test_all_that_is_wrong_is_told_at_once() -> None:
    reasons = _refusals(
        name="x", version="9", datetime_start="x", datetime_end=None, format="pdf", compress="y"
    )
    assert [reason.split()[0] for reason in reasons] == [
        "name",
        "version",
        "datetime_start",
        "datetime_end",
        "format",
        "compress",
    ]
