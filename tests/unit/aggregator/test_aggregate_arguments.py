"""docs/http.md, "Arguments are checked in this order": each refusal, and that the earlier wins."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest

from services.aggregator.arguments import (
    Grouping,
    Measure,
    Scope,
    check_grouping,
    check_scope,
)
from services.aggregator.periods import PeriodKind
from shared.contracts.aggregations import AggregateArguments, AggregateQuery
from shared.errors import InvalidArgumentError

META = {"meta0": "income_account", "meta3": "warehouse", "meta5": "meta0"}
GOOD: dict[str, Any] = {
    "start_at": "2024-01-01T00:00:00-05:00",
    "end_at": "2024-01-31T23:59:59Z",
    "register_id": 1,
    "group_by_period": "month",
    "timezone": "America/Detroit",
    "group_by": ["income_account"],
}


def check(measure: str = "item_sum", **changes: Any) -> tuple[Scope, Grouping]:
    arguments = AggregateArguments(**{**GOOD, **changes})
    query = AggregateQuery(
        store_id=1, measure=measure, arguments=arguments, deadline=datetime(2030, 1, 1, tzinfo=UTC)
    )
    return check_scope(query), check_grouping(arguments, META)


def refusal(measure: str = "item_sum", **changes: Any) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        check(measure, **changes)
    return caught.value.message


# One wrong thing for each rule, in the order of the rules.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"measure": "item_median"}, "unpermitted report: item_median"),
    ({"timezone": "Mars/Phobos"}, "Invalid timezone: Mars/Phobos"),
    ({"start_at": "2024-01-01"}, "Invalid start_at: invalid xmlschema format"),
    ({"end_at": "2024-01-31 23:59:59"}, "Invalid end_at: invalid xmlschema format"),
    ({"start_at": "2024-03-01T00:00:00+01:00"}, "timezone mismatched from time range timezones"),
    ({"end_at": "2023-12-01T00:00:00Z"}, "start_at must be earlier than end_at"),
    ({"register_id": True}, "Invalid register_id"),
    ({"group_by_period": "fortnight"}, "Invalid group by period: fortnight"),
    ({"group_by": ["nope"]}, "Invalid group_by, nope is not a meta-column for register"),
    ({"invert_sign": "yes"}, "Invalid invert_sign: it must be true or false"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_one_wrong_thing(changes: dict[str, Any], message: str) -> None:
    assert refusal(**changes) == message


@pytest.mark.parametrize(("earlier", "later"), list(combinations(WRONG, 2)))
def test_the_first_rule_that_fails_is_the_answer(
    earlier: tuple[dict[str, Any], str], later: tuple[dict[str, Any], str]
) -> None:
    assert refusal(**{**later[0], **earlier[0]}) == earlier[1]


def test_what_is_understood() -> None:
    assert check() == (
        Scope(
            measure=Measure.SUM,
            timezone="America/Detroit",
            start_at=datetime(2024, 1, 1, 5, tzinfo=UTC),
            end_at=datetime(2024, 1, 31, 23, 59, 59, tzinfo=UTC),
            store_id=1,
            register_id=1,
        ),
        Grouping(PeriodKind.MONTH, ("income_account",), ("meta0",), invert_sign=False),
    )


def test_null_equals_absent() -> None:
    scope, grouping = check(
        timezone=None,
        group_by_period=None,
        group_by=None,
        invert_sign=None,
        start_at="2024-01-01T00:00:00Z",
    )
    assert scope.timezone == "UTC"
    assert grouping == Grouping(None, (), (), invert_sign=False)
    required = ("start_at", "end_at", "register_id")
    assert [refusal(**{name: None}) for name in required] == [
        "Invalid start_at: invalid xmlschema format",
        "Invalid end_at: invalid xmlschema format",
        "Invalid register_id",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *(("america/detroit",) * 2, ("", ""), ("Factory",) * 2, ("localtime",) * 2),
        *(("posixrules",) * 2, ("../etc/passwd",) * 2, ("+05:00",) * 2, ("Europe/London ",) * 2),
        *((5, "5"), (True, "true"), ([], "[]"), ({"a": 1}, '{"a": 1}'), (Decimal("1.5"), '"1.5"')),
        ("x" * 200, "x" * 100 + "…"),
        ("\ud800", "?"),
    ],
)
def test_timezones_that_are_none(value: object, shown: str) -> None:
    assert refusal(timezone=value) == f"Invalid timezone: {shown}"


@pytest.mark.parametrize("name", ["UTC", "Etc/GMT+5", "US/Pacific", "Asia/Kathmandu", "EST5EDT"])
def test_timezones(name: str) -> None:
    scope, _ = check(timezone=name, start_at="2024-01-01T00:00:00Z")
    assert scope.timezone == name


@pytest.mark.parametrize(
    ("timezone", "start_at", "matches"),
    [
        # The seed's own example: `Z` with America/Detroit.
        ("America/Detroit", "2024-01-01T00:00:00Z", True),
        ("America/Detroit", "2024-01-01T00:00:00+00:00", True),
        ("America/Detroit", "2024-01-01T00:00:00-0000", True),
        ("America/Detroit", "2024-01-01T00:00:00", True),
        ("America/Detroit", "2024-01-01T00:00:00-05:00", True),
        ("America/Detroit", "2024-01-01T00:00:00-04:00", False),
        ("America/Detroit", "2023-07-01T00:00:00-04:00", True),
        # The standard offset is welcome in summer too.
        ("America/Detroit", "2023-07-01T00:00:00-05:00", True),
        ("America/Detroit", "2023-07-01T00:00:00-06:00", False),
        ("UTC", "2023-07-01T00:00:00+01:00", False),
        ("Europe/London", "2023-07-01T00:00:00+01:00", True),
        ("Europe/London", "2023-01-01T00:00:00+01:00", False),
        ("Asia/Kathmandu", "2023-07-01T00:00:00+05:45", True),
        ("Asia/Kathmandu", "2023-07-01T00:00:00+0530", False),
        # The offset of that instant, not of today: Kathmandu was at +05:30 until 1986.
        ("Asia/Kathmandu", "1985-07-01T00:00:00+05:30", True),
        ("Asia/Kathmandu", "1985-07-01T00:00:00+05:45", False),
        # On the day of the change either side has its own: it is the instant that counts.
        ("America/Detroit", "2023-03-12T03:00:00-04:00", True),
        ("America/Detroit", "2023-03-12T02:59:59-04:00", False),
    ],
)
def test_offset_and_zone(timezone: str, start_at: str, *, matches: bool) -> None:
    if matches:
        assert check(timezone=timezone, start_at=start_at)
    else:
        text = "timezone mismatched from time range timezones"
        assert refusal(timezone=timezone, start_at=start_at) == text
        # Without a zone any offset goes; and the end is looked at like the start.
        assert check(timezone=None, start_at=start_at)
        ends = {"start_at": "1980-01-01T00:00:00Z", "end_at": start_at}
        assert refusal(timezone=timezone, **ends) == text


def test_bounds_are_compared_as_instants() -> None:
    same = {"start_at": "2024-01-01T00:00:00Z", "end_at": "2024-01-01T05:45:00+05:45"}
    assert refusal(timezone=None, **same) == "start_at must be earlier than end_at"
    later = {"start_at": "2024-01-01T00:00:00Z", "end_at": "2023-12-31T23:00:00.000001-01:00"}
    assert check(timezone=None, **later)


@pytest.mark.parametrize(
    "value", [None, True, False, 0, -1, "1", "", Decimal(1), Decimal("1.0"), 2**63, [1], {"id": 1}]
)
def test_register_ids_that_are_none(value: object) -> None:
    assert refusal(register_id=value) == "Invalid register_id"


@pytest.mark.parametrize("value", [1, 2**63 - 1])
def test_register_ids(value: int) -> None:
    assert check(register_id=value)[0].register_id == value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        *((kind.value, kind) for kind in PeriodKind),
        *((kind.value.upper(), kind) for kind in PeriodKind),
        ("Month", PeriodKind.MONTH),
        *(("all", None), ("ALL", None), ("", None), (None, None)),
    ],
)
def test_periods(value: object, kind: PeriodKind | None) -> None:
    assert check(group_by_period=value)[1].period is kind


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *(("fortnight",) * 2, (" ",) * 2, ("month ",) * 2, ("months",) * 2, ("none",) * 2),
        *(("wee\u212a",) * 2, (5, "5"), (True, "true"), (False, "false"), (["day"], '["day"]')),
    ],
)
def test_periods_that_are_none(value: object, shown: str) -> None:
    assert refusal(group_by_period=value) == f"Invalid group by period: {shown}"


@pytest.mark.parametrize(
    ("value", "labels", "columns"),
    [
        ([], (), ()),
        (["warehouse", "income_account"], ("warehouse", "income_account"), ("meta3", "meta0")),
        (["warehouse", "warehouse"], ("warehouse",), ("meta3",)),
        # A label that looks like a column is a label.
        (["meta0"], ("meta0",), ("meta5",)),
    ],
)
def test_columns(value: object, labels: tuple[str, ...], columns: tuple[str, ...]) -> None:
    grouping = check(group_by=value)[1]
    assert (grouping.labels, grouping.columns) == (labels, columns)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["warehouse", "nope", "nix"], "nope is not a meta-column for register"),
        (["Warehouse"], "Warehouse is not a meta-column for register"),
        (["meta3"], "meta3 is not a meta-column for register"),
        (["amount"], "amount is not a meta-column for register"),
        ([""], " is not a meta-column for register"),
        ([None], "null is not a meta-column for register"),
        ([5, "nope"], "5 is not a meta-column for register"),
        ([["warehouse"]], '["warehouse"] is not a meta-column for register'),
        *(
            (wrong, "it must be a list of labels")
            for wrong in ("warehouse", "", 5, True, {"warehouse": 1}, {})
        ),
    ],
)
def test_columns_that_are_none(value: object, message: str) -> None:
    assert refusal(group_by=value) == f"Invalid group_by, {message}"


@pytest.mark.parametrize(("value", "inverted"), [(True, True), (False, False), (None, False)])
def test_invert_sign(value: object, *, inverted: bool) -> None:
    assert check(invert_sign=value)[1].invert_sign is inverted


@pytest.mark.parametrize("value", [0, 1, "true", "", [], Decimal(1)])
def test_invert_sign_of_another_type(value: object) -> None:
    assert refusal(invert_sign=value) == "Invalid invert_sign: it must be true or false"
