"""The demo's questions to the service, and whether the answers are right.

In: a client, the sales register, a second opinion. Out: the answers, and every disagreement in
words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.table import Table

from cli.items import grouped_table, measure
from cli.ranges import first_instant, last_instant
from cli.tables import table
from devstack.second_opinion import Opinion
from tallyport_client import AsyncClient
from tallyport_client.exact import from_json

FIRST_DAY, LAST_DAY = "2010-12-01", "2011-12-31"
TIMEZONE = "Europe/London"
# Neither the service nor Python rounds averages; they only stop at different digits.
AVERAGE_TOLERANCE = Decimal("1e-12")
COUNTRIES_SHOWN = 5


@dataclass(frozen=True)
class Numbers:
    """Three answers as the service gave them, numbers as exact decimals."""

    count: dict[str, Any]
    sums: dict[str, Any]
    averages: dict[str, Any]


async def ask(tallyport: AsyncClient, register_id: int) -> Numbers:
    """How many lines, the sum by month, the average by month and country."""
    range_ = question(register_id)
    month = {**range_, "group_by_period": "month"}
    return Numbers(
        count=from_json(await measure(tallyport, "count", range_)),
        sums=from_json(await measure(tallyport, "sum", month)),
        averages=from_json(await measure(tallyport, "average", {**month, "group_by": ["country"]})),
    )


def question(register_id: int) -> dict[str, Any]:
    """The register, and the thirteen months of the sample."""
    return {
        "register_id": register_id,
        "start_at": first_instant(FIRST_DAY, TIMEZONE),
        "end_at": last_instant(LAST_DAY, TIMEZONE),
        "timezone": TIMEZONE,
    }


def disagreements(numbers: Numbers, opinion: Opinion) -> list[str]:
    """What the service says otherwise than the second opinion; empty when they agree."""
    return [*_differences(numbers, opinion)]


def _differences(numbers: Numbers, opinion: Opinion) -> Iterator[str]:
    count = [row["value"] for row in numbers.count["count"]]
    if count != [opinion.lines]:
        yield f"count: {count}, not {opinion.lines}"
    sums = {row["period"]: row["value"] for row in numbers.sums["count"]}
    yield from _compare("sum", sums, opinion.sums, Decimal())
    averages = {(row["period"], row["group"]): row["value"] for row in numbers.averages["count"]}
    yield from _compare("average", averages, opinion.averages, AVERAGE_TOLERANCE)


def _compare(
    name: str, told: dict[Any, Any], expected: dict[Any, Decimal], tolerance: Decimal
) -> Iterator[str]:
    for key in told.keys() | expected.keys():
        ours, theirs = told.get(key), expected.get(key)
        if ours is None or theirs is None or abs(ours - theirs) > tolerance * (1 + abs(theirs)):
            yield f"{name} of {key}: {ours}, not {theirs}"


def tables(numbers: Numbers, opinion: Opinion) -> list[Table]:
    """The answers for people; of the countries those with the most lines, rounded to pennies."""
    by_lines = sorted(opinion.lines_by_country.items(), key=lambda entry: -entry[1])
    shown = [country for country, _ in by_lines[:COUNTRIES_SHOWN]]
    rows: dict[str, dict[str, Decimal]] = {}
    for row in numbers.averages["count"]:
        rows.setdefault(row["period"], {})[row["group"]] = Decimal(row["value"])
    title = f"{numbers.averages['title']} ({len(shown)} of {len(by_lines)} countries)"
    averages = [
        [period, *(values.get(country, Decimal()).quantize(Decimal("0.01")) for country in shown)]
        for period, values in rows.items()
    ]
    return [
        grouped_table(numbers.count, []),
        grouped_table(numbers.sums, []),
        table(title, ["period", *shown], averages),
    ]
