"""An analysis's arguments: what is refused, in which words, and that all of it is told at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.aggregator.analysis_arguments import Analysis, check_analysis
from services.aggregator.conditions import condition_sql, labels_of
from services.aggregator.plans import Bindings
from shared.contracts.analyses import AggregateAnalysis
from shared.contracts.failures import FailureDetail
from shared.errors import InvalidArgumentError

META = {"meta0": "account", "meta3": "warehouse"}
PLAIN: dict[str, Any] = {
    "register_id": 1,
    "start_at": "2024-01-01T00:00:00Z",
    "end_at": "2024-01-31T23:59:59Z",
    "measures": ["count"],
}
LEAF = {"label": "account", "eq": "a"}


def checked(meta: dict[str, str] | None = META, **changes: Any) -> Analysis:
    query = AggregateAnalysis(
        store_id=1, arguments={**PLAIN, **changes}, deadline=datetime(2024, 1, 1, tzinfo=UTC)
    )
    return check_analysis(query, meta)


def refused(meta: dict[str, str] | None = META, **changes: Any) -> tuple[str, list[FailureDetail]]:
    with pytest.raises(InvalidArgumentError) as raised:
        checked(meta, **changes)
    return raised.value.message, [*raised.value.details]


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = LEAF
    for _ in range(depth - 1):
        found = {"and": [found]}
    return found


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"timezone": "Mars/Phobos"}, "timezone", "Invalid timezone: Mars/Phobos"),
        ({"start_at": "2024-01-01"}, "start_at", "Invalid start_at: invalid xmlschema format"),
        ({"end_at": None}, "end_at", "Invalid end_at: invalid xmlschema format"),
        (
            {"timezone": "America/Detroit", "end_at": "2024-01-31T00:00:00+09:00"},
            "end_at",
            "timezone mismatched from time range timezones",
        ),
        (
            {"end_at": "2024-01-01T00:00:00Z"},
            "start_at",
            "start_at must be earlier than end_at",
        ),
        (
            {"group_by_period": "fortnight"},
            "group_by_period",
            "Invalid group by period: fortnight",
        ),
        (
            {"group_by": ["nope"]},
            "group_by",
            "Invalid group_by, nope is not a meta-column for register",
        ),
        ({"invert_sign": 1}, "invert_sign", "Invalid invert_sign: it must be true or false"),
        ({"measures": []}, "measures", "at least 1"),
        ({"measures": None}, "measures", "valid list"),
        ({"measures": ["median"]}, "measures.0", "'count', 'sum'"),
        ({"measures": ["sum", "sum"]}, "measures", "twice"),
        ({"order": "sum"}, "order", 'must be "group" or'),
        ({"order": {"measure": "sum"}}, "order.measure", "one of the measures"),
        ({"order": {"measure": "count", "direction": "up"}}, "order.direction", "'asc' or 'desc'"),
        ({"order": {"measure": "count", "by": "x"}}, "order.by", "not permitted"),
        ({"limit": 0}, "limit", "greater than or equal to 1"),
        ({"limit": True}, "limit", "integer"),
        ({"limit": 100_001}, "limit", "100000"),
        ({"totals": "yes"}, "totals", "boolean"),
        ({"compare": "last_year"}, "compare", "previous_period"),
        ({"filters": LEAF}, "filters", "not permitted"),
        ({"filter": []}, "filter", "exactly one of"),
        ({"filter": {"label": "account"}}, "filter", "exactly one of"),
        ({"filter": {**LEAF, "not": "b"}}, "filter", "exactly one of"),
        ({"filter": {**LEAF, "also": "b"}}, "filter.also", "not permitted"),
        ({"filter": {"and": []}}, "filter.and", "at least 1"),
        ({"filter": {"or": [LEAF, {"label": "x", "in": []}]}}, "filter.or.1.in", "at least 1"),
        ({"filter": {"label": "account", "eq": None}}, "filter.eq", "string"),
        ({"filter": {"label": "account", "eq": "a\x00"}}, "filter.eq", "NUL"),
        ({"filter": {"label": "account", "exists": 1}}, "filter.exists", "boolean"),
        (
            {"filter": {"and": [LEAF, {"or": [{"label": "meta0", "eq": "a"}]}]}},
            "filter.and.1.or.0.label",
            "meta0 is not a meta-column for register",
        ),
        ({"filter": nested(9)}, "filter", "at most 8 deep"),
        ({"filter": {"or": [{"and": [LEAF] * 99}, LEAF, LEAF]}}, "filter", "100 conditions"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], field: str, reason: str) -> None:
    message, (detail,) = refused(**changes)
    assert (detail.field, message) == (field, detail.reason)
    assert reason in detail.reason


def test_all_of_it_is_told_at_once_what_the_three_calls_check_first() -> None:
    message, details = refused(
        timezone="Nowhere",
        start_at=5,
        group_by="account",
        group_by_period="eon",
        measures=["count", "mode"],
        filter={"label": "account"},
        limit="all",
    )
    assert message == "Invalid timezone: Nowhere (and 6 more)"
    assert [detail.field for detail in details] == [
        *("timezone", "start_at", "group_by_period", "group_by"),
        *("measures.1", "filter", "limit"),
    ]


def test_a_register_that_is_not_there_hides_nothing_else() -> None:
    _, details = refused(None, register_id=99, group_by=["nope"], limit=0)
    assert details[0].reason == "Invalid register_id"
    assert [detail.field for detail in details] == ["register_id", "limit"]


def test_the_limits_themselves_are_allowed() -> None:
    checked(filter=nested(8))
    checked(filter={"or": [LEAF] * 100})
    checked(filter={"label": "account", "in": [str(number) for number in range(1_000)]})


def test_a_very_deep_filter_is_refused_and_breaks_nothing() -> None:
    _, (detail,) = refused(filter=nested(5_000))
    assert "at most 8 deep" in detail.reason


def test_what_is_left_out_is_what_null_is() -> None:
    names = ("filter", "order", "limit", "totals", "compare", "invert_sign", "group_by")
    assert checked() == checked(**dict.fromkeys(names))


def test_a_filter_as_sql_binds_its_values() -> None:
    question = checked(
        filter={
            "and": [
                {"label": "account", "in": ["a'", 5]},
                {"or": [{"label": "warehouse", "exists": False}, {"label": "account", "not": ""}]},
            ]
        }
    )
    bindings = Bindings()
    sql = condition_sql(question.filter, {"account": "x", "warehouse": "y"}, bindings)
    assert sql == "(x = ANY ($1::text[]) AND (y = '' OR x <> $2::text))"
    assert bindings.values == [["a'", "5"], ""]
    assert [*labels_of(question.filter)] == ["account", "warehouse", "account"]
