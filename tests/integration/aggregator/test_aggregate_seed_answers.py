"""The five answers of the seed, from data built to match: the same values, keys and order.

The seed asks for 2023 and shows 2024; the questions here ask for what it shows.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.aggregator.register_under_test import MakeRegister, Register, Row, instant

BOUNDS = {"start_at": "2024-01-01T00:00:00-05:00", "end_at": "2024-02-29T23:59:59-05:00"}
DETROIT = {**BOUNDS, "timezone": "America/Detroit", "group_by_period": "month"}
JANUARY, FEBRUARY = instant("2024-01-15T12:00:00-05:00"), instant("2024-02-29T23:59:59-05:00")
# The day before, in Detroit; and the first second after. In UTC both are inside.
OUTSIDE = [
    (instant("2023-12-31T23:59:59.999999-05:00"), Decimal(999), "outside", "outside"),
    (instant("2024-03-01T00:00:00-05:00"), Decimal(999), "outside", "outside"),
]


async def answer(register: Register, measure: str, **arguments: Any) -> Any:
    return json.loads(await register.body(measure, **arguments), parse_float=Decimal)


@pytest.fixture
async def sums(make_register: MakeRegister) -> Register:
    rows: list[Row] = [
        (JANUARY, Decimal("2000.70"), "b2b shipping", None),
        (FEBRUARY, Decimal("880.05"), "b2b shipping", None),
        (JANUARY, Decimal("6270.3"), "wholesale", None),
        (FEBRUARY, Decimal("0.1"), "wholesale", None),
    ]
    return await make_register(["income_account", "warehouse"], [*rows, *OUTSIDE])


async def test_sum_without_grouping(sums: Register) -> None:
    body = await sums.body("item_sum", **BOUNDS)
    assert body == '{"title":"Sum","count":[{"period":"All","group":"All","value":9151.15}]}'


async def test_sum_by_column(sums: Register) -> None:
    assert await answer(sums, "item_sum", **BOUNDS, group_by=["income_account"]) == {
        "title": "Sum by Income Account",
        "count": [
            {"period": "All", "group": "b2b shipping", "value": Decimal("2880.75")},
            {"period": "All", "group": "wholesale", "value": Decimal("6270.4")},
        ],
    }


async def test_count_by_month(make_register: MakeRegister) -> None:
    rows: list[Row] = [(JANUARY, Decimal(1))] * 50 + [(FEBRUARY, Decimal(1))] * 30
    register = await make_register([], [*rows, *(row[:2] for row in OUTSIDE)])
    assert await answer(register, "item_count", **DETROIT) == {
        "title": "Count by Month",
        "count": [
            {"period": "Jan 2024", "group": "All", "value": 50},
            {"period": "Feb 2024", "group": "All", "value": 30},
        ],
    }


async def test_average_by_month_and_column(make_register: MakeRegister) -> None:
    rows: list[Row] = [
        (JANUARY, Decimal("12.2"), "b2b shipping"),
        (JANUARY, Decimal("12.4"), "b2b shipping"),
        (FEBRUARY, Decimal("10.1"), "b2b shipping"),
        (JANUARY, Decimal("6.7"), "wholesale"),
        (FEBRUARY, Decimal("8.00"), "wholesale"),
        (FEBRUARY, Decimal("8.44"), "wholesale"),
    ]
    register = await make_register(["income_account"], rows)
    assert await answer(register, "item_average", **DETROIT, group_by=["income_account"]) == {
        "title": "Average by Month and Income Account",
        "count": [
            {"period": "Jan 2024", "group": "b2b shipping", "value": Decimal("12.3")},
            {"period": "Feb 2024", "group": "b2b shipping", "value": Decimal("10.1")},
            {"period": "Jan 2024", "group": "wholesale", "value": Decimal("6.7")},
            {"period": "Feb 2024", "group": "wholesale", "value": Decimal("8.22")},
        ],
    }


async def test_count_by_month_and_two_columns(make_register: MakeRegister) -> None:
    counts = {
        ("b2b shipping", "ann_arbor"): (10, 20),
        ("b2b shipping", "new_york"): (12, 16),
        ("warehouse", "ann_arbor"): (7, 13),
        ("warehouse", "new_york"): (11, 12),
    }
    rows: list[Row] = []
    for group, (january, february) in counts.items():
        rows += [(JANUARY, Decimal(1), *group)] * january
        rows += [(FEBRUARY, Decimal(1), *group)] * february
    register = await make_register(["income_account", "warehouse"], [*reversed(rows), *OUTSIDE])
    columns = ["income_account", "warehouse"]
    assert await answer(register, "item_count", **DETROIT, group_by=columns) == {
        "title": "Count by Month and Income Account, Warehouse",
        "count": [
            {"period": month, "group": [*group], "value": value}
            for group, values in counts.items()
            for month, value in zip(("Jan 2024", "Feb 2024"), values, strict=True)
        ],
    }
