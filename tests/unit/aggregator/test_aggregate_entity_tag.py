"""The ETag: one for all spellings of a question, another one for everything that differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.aggregator.arguments import Grouping, Measure, Scope
from services.aggregator.entity_tag import entity_tag, is_known
from services.aggregator.periods import PeriodKind

SCOPE = Scope(
    measure=Measure.SUM,
    timezone="America/Detroit",
    start_at=datetime(2024, 1, 1, tzinfo=UTC),
    end_at=datetime(2024, 2, 1, tzinfo=UTC),
    store_id=1,
    register_id=2,
)
GROUPING = Grouping(PeriodKind.MONTH, ("a", "b"), ("meta0", "meta1"), invert_sign=False)
TAG = entity_tag(SCOPE, GROUPING, 7, "json")


def test_is_a_strong_tag() -> None:
    assert TAG.startswith('"')
    assert TAG.endswith('"')
    assert "," not in TAG


def test_is_the_same_for_the_same_question() -> None:
    assert entity_tag(replace(SCOPE), replace(GROUPING), 7, "json") == TAG


@pytest.mark.parametrize(
    "scope",
    [
        replace(SCOPE, measure=Measure.AVERAGE),
        replace(SCOPE, timezone="America/Toronto"),
        replace(SCOPE, start_at=datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        replace(SCOPE, end_at=datetime(2024, 2, 1, 0, 0, 1, tzinfo=UTC)),
        replace(SCOPE, store_id=2),
        replace(SCOPE, register_id=3),
    ],
)
def test_differs_with_the_scope(scope: Scope) -> None:
    assert entity_tag(scope, GROUPING, 7, "json") != TAG


@pytest.mark.parametrize(
    "grouping",
    [
        replace(GROUPING, period=PeriodKind.DAY),
        replace(GROUPING, period=None),
        replace(GROUPING, labels=("b", "a"), columns=("meta1", "meta0")),
        replace(GROUPING, columns=("meta0", "meta2")),
        replace(GROUPING, labels=("a",), columns=("meta0",)),
        replace(GROUPING, invert_sign=True),
    ],
)
def test_differs_with_the_grouping(grouping: Grouping) -> None:
    assert entity_tag(SCOPE, grouping, 7, "json") != TAG


def test_differs_with_the_version_and_the_representation() -> None:
    assert (
        len({TAG, entity_tag(SCOPE, GROUPING, 8, "json"), entity_tag(SCOPE, GROUPING, 7, "csv")})
        == 3
    )


def test_without_periods_the_zone_makes_no_difference() -> None:
    plain = replace(GROUPING, period=None)
    tags = {entity_tag(replace(SCOPE, timezone=z), plain, 7, "json") for z in ("UTC", "Asia/Tokyo")}
    assert len(tags) == 1


@pytest.mark.parametrize(
    ("header", "known"),
    [
        *((None, False), ("", False), ("*", True), (" * ", True), (TAG, True), (f"W/{TAG}", True)),
        (f'"other", {TAG}', True),
        (f'"other",W/{TAG} , "more"', True),
        *(('"other"', False), (TAG.strip('"'), False), (TAG[:-2] + '"', False), ("W/*", False)),
    ],
)
def test_if_none_match(header: str | None, *, known: bool) -> None:
    assert is_known(TAG, header) is known
