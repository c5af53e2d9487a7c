"""The benchmark's items are the same everywhere, and its reference adds them up right."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from bench.counting.data import COLUMNS, REGISTERS, SHARES, Item, Items
from bench.counting.questions import END, MAIN, QUESTIONS, START, reference


def test_a_seed_always_gives_the_same_items() -> None:
    first = Items(10_000_000, seed=1)
    assert first.item(7_654_321) == Items(10_000_000, seed=1).item(7_654_321)
    assert first.item(7_654_321) != Items(10_000_000, seed=2).item(7_654_321)
    # Written down: data of an earlier run, by an earlier version, is of the same items.
    assert first.item(0) == Item(
        unique_key="item-000000000",
        register=0,
        originated_at=datetime(2023, 1, 1, 20, 8, 45, 138_692, tzinfo=UTC),
        amount=Decimal("-7.50"),
        values=(
            "income_account-0000",
            "warehouse-0002",
            "channel-0001",
            "region-0035",
            "vendor-0058",
            "sku-0367",
        ),
    )


def test_registers_are_skewed_as_said() -> None:
    assert sum(SHARES) == 100
    held = Counter(item.register for item in Items(2_000))
    assert [held[register] for register in range(REGISTERS)] == [20 * share for share in SHARES]


def test_columns_have_as_many_values_as_said_and_one_has_gaps() -> None:
    items = list(Items(30_000))
    for number, column in enumerate(COLUMNS):
        values = {item.values[number] for item in items}
        assert len(values - {None}) <= column.values
        assert (None in values) is column.gaps
        if column.values <= 300:
            assert len(values - {None}) == column.values


def test_all_items_lie_in_the_two_years_about_in_order() -> None:
    moments = [item.originated_at for item in Items(1_000)]
    assert all(START <= moment < END for moment in moments)
    days = [(moment - START).days for moment in moments]
    assert all(abs(day - n * 731 / 1_000) <= 2 for n, day in enumerate(days))


def test_the_reference_agrees_with_adding_up_by_hand() -> None:
    items = [item for item in Items(2_000) if item.register == 0]
    count, by_month, _, by_day = (reference(question, items) for question in MAIN)
    assert count == {"item_count": {(1, ()): Decimal(len(items))}}
    detroit = ZoneInfo("America/Detroit")
    march = [
        item.amount
        for item in items
        if item.originated_at.astimezone(detroit).strftime("%Y-%m") == "2023-03"
    ]
    assert by_month["item_sum"][3, ()] == sum(march)
    assert sum(by_month["item_sum"].values()) == sum(item.amount for item in items)
    assert sum(by_day["item_count"].values()) == len(items)
    # Every group has every day: of 60 groups all but a few have items in so small a sample.
    groups = {group for _, group in by_day["item_count"]}
    assert len(by_day["item_count"]) == len(groups) * 731


def test_boundaries_are_those_of_the_zone() -> None:
    named = {question.name: question for question in QUESTIONS}
    assert len(named["b"].boundaries()) == 24
    assert named["b"].boundaries()[3] == datetime(2023, 4, 1, 4, tzinfo=UTC)
    # Kolkata is ahead: the range ends on its first of January.
    assert len(named["b, foreign"].boundaries()) == 25
    assert len(named["d"].boundaries()) == 731
