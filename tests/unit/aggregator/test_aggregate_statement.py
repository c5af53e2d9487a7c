"""The statement: what is bound, what is not, and that its text depends on the shape alone."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from services.aggregator.arguments import Grouping, Measure, Scope
from services.aggregator.periods import Periods
from services.aggregator.plans import RAW, Totals
from services.aggregator.query_builder import Statement, build_statement
from services.aggregator.registers import Seen
from services.aggregator.rendering import render

SCOPE = Scope(
    measure=Measure.SUM,
    timezone="UTC",
    start_at=datetime(2024, 1, 1, tzinfo=UTC),
    end_at=datetime(2024, 2, 1, tzinfo=UTC),
    store_id=11,
    register_id=22,
)
KNOWN = Seen(version=7, meta={}, rollups=(), definition="[{}, null]")
PERIODS = Periods(("Jan 2024", "Feb 2024"), (SCOPE.start_at, SCOPE.end_at), None)


def build(
    *,
    scope: Scope = SCOPE,
    periods: Periods | None = PERIODS,
    labels: tuple[str, ...] = ("=a", "b"),
    columns: tuple[str, ...] = ("meta3", "meta0"),
    representation: Literal["json", "csv"] = "json",
    **changes: Any,
) -> Statement:
    grouping = Grouping(None, labels, columns, invert_sign=False)
    totals = Totals(scope, periods, columns)
    options: dict[str, Any] = {"invert_sign": False, "rows_max": 100, "body_bytes_max": 5_000}
    return build_statement(
        KNOWN,
        RAW,
        totals,
        render(representation, scope.measure, grouping, periods),
        **{**options, **changes},
    )


def test_every_value_is_bound_and_each_once() -> None:
    statement = build()
    placeholders = re.findall(r"\$(\d+)::", statement.sql)
    numbers = [str(number) for number in range(1, len(statement.values) + 1)]
    # But for the store, which each part of the statement is told of.
    store = "3"
    assert statement.values[int(store) - 1] == 11
    assert [one for one in placeholders if one != store] == [one for one in numbers if one != store]
    assert "$" not in re.sub(r"\$\d+::", "", statement.sql)
    for value in (11, 22, SCOPE.start_at, SCOPE.end_at, PERIODS.starts, 101, 51, 5_000):
        assert value in statement.values


def test_names_the_store_first() -> None:
    named = r"WHERE (r\.)?store_id = \$\d+::bigint\s+AND (r\.)?register_id ="
    assert len(re.findall(named, build().sql)) == 2


def test_labels_are_never_in_the_text() -> None:
    hostile = "x'); DROP TABLE registers; --"
    for representation in ("json", "csv"):
        text = build(labels=(hostile, "b"), representation=representation).sql
        assert "DROP" not in text


def test_the_text_depends_on_the_shape_alone() -> None:
    other = replace(SCOPE, store_id=1, register_id=2, end_at=datetime(2025, 1, 1, tzinfo=UTC))
    longer = Periods(("a", "b", "c"), (SCOPE.start_at,) * 3, None)
    assert build(scope=other, periods=longer).sql == build().sql


@pytest.mark.parametrize("periods", [None, PERIODS])
def test_one_group_needs_no_joins_order_or_sizes(periods: Periods | None) -> None:
    statement = build(labels=(), columns=(), periods=periods)
    for word in (" JOIN ", "row_number", "octet_length", "LIMIT"):
        assert word in build().sql
        assert word not in statement.sql
    assert re.findall(r"\$(\d+)::", statement.sql)[-1] == str(len(statement.values))


@pytest.mark.parametrize("columns", [("amount",), ("meta10",), ("meta0; --",), ("META0",)])
def test_only_meta_columns_are_identifiers(columns: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="not meta columns"):
        build(columns=columns, labels=("a",))


def test_a_count_adds_no_amounts() -> None:
    assert "sum(amount)" in build().sql
    assert "sum(amount)" not in build(scope=replace(SCOPE, measure=Measure.COUNT)).sql


def test_groups_that_fit() -> None:
    assert build(rows_max=7).groups_max == 3
    assert build(rows_max=1).groups_max == 0


def test_stretches_are_mapped_to_periods_only_when_they_differ() -> None:
    assert "int[]" not in build().sql
    assert "int[]" in build(periods=replace(PERIODS, numbers=(1, 2, 1, 2))).sql


def test_the_plan_says_its_name() -> None:
    assert RAW.name == "raw"
