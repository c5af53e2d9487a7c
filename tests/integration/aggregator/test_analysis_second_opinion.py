"""Random analyses: the product and a second implementation agree, from items and from rollups.

AGGREGATE_REGISTERS, AGGREGATE_SEED: as for the three calls.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.aggregator.analyse import Analyst
from services.aggregator.settings import AggregatorSettings
from shared.contracts.analyses import AggregateAnalysis
from shared.database.pool import Database
from shared.database.replica import ReadSources
from shared.rollups.grid import Grain, Grid
from tests.integration.aggregator.register_under_test import MakeRegister, Register
from tests.integration.aggregator.second_analysis import Opinion, Row, Values, back, opinion
from tests.integration.aggregator.second_opinion import Item, first_day
from tests.integration.aggregator.test_aggregate_rollups import (
    COLUMN_SETS,
    _arrive,
    _define,
    _fold,
)
from tests.integration.aggregator.test_aggregate_second_opinion import (
    LABELS,
    ODD,
    REGISTERS,
    SEED,
    TICK,
    VALUES,
    Chance,
    written,
)

MEASURES = ["count", "sum", "average", "min", "max"]
QUESTIONS = 12


class AnalysisChance(Chance):
    def filter(self, values: list[str | None], depth: int = 3) -> dict[str, Any]:
        if depth and self.random() < 0.4:
            some = [self.filter(values, depth - 1) for _ in range(self.choice([1, 2, 3]))]
            return {self.choice(["and", "or"]): some}
        one = {"label": self.choice(LABELS)}
        known = [value or "" for value in [*values, None, "absent"]]
        return {
            **one,
            **self.choice(
                [
                    {"eq": self.choice(known)},
                    {"not": self.choice(known)},
                    {"in": self.choices(known, k=self.choice([1, 2, 4]))},
                    {"exists": self.random() < 0.7},
                ]
            ),
        }

    def whole(self, zone: str, centre: datetime, period: str) -> list[datetime]:
        """Whole periods of the zone; the end as people write it, or to the microsecond."""
        info = ZoneInfo(zone)
        day = first_day(
            period, centre.astimezone(info).date() + timedelta(days=self.choice([0, 1, 40]))
        )
        first = back(period, day, self.choice([1, 1, 2, 3]))
        low, high = (
            datetime(d.year, d.month, d.day, tzinfo=info).astimezone(UTC) for d in (first, day)
        )
        return [low, high - self.choice([TICK, timedelta(seconds=1), timedelta(microseconds=700)])]

    def analysis(
        self,
        items: list[Item],
        zone: str,
        centre: datetime,
        values: list[str | None],
    ) -> dict[str, Any]:
        asked = self.question(items, zone, centre)
        del asked["measure"]
        if asked["group_by_period"] and self.random() < 0.5:
            bounds = self.whole(asked["timezone"] or "UTC", centre, asked["group_by_period"])
            # A date that the zone skipped begins when the next one does.
            if bounds[0] < bounds[1]:
                asked["start_at"], asked["end_at"] = bounds
        among = self.choice([MEASURES, MEASURES, MEASURES[:3]])
        measures = self.sample(among, k=self.choice(range(1, len(among) + 1)))
        by = {"measure": self.choice(measures), "direction": self.choice(["asc", "desc"])}
        return {
            **asked,
            "measures": measures,
            "filter": self.filter(values) if self.random() < 0.6 else None,
            "order": self.choice([None, "group", by, by, {"measure": measures[0]}]),
            "limit": self.choice([None, None, 1, 2, 5]),
            "totals": self.random() < 0.5,
            "compare": self.choice([None, "previous_period"]),
        }


def analysis_of(register: Register, arguments: dict[str, Any], **more: Any) -> AggregateAnalysis:
    return AggregateAnalysis(
        store_id=register.store_id,
        arguments={"register_id": register.register_id, **arguments},
        deadline=datetime.now(UTC) + timedelta(seconds=30),
        **more,
    )


async def compare(
    analyst: Analyst,
    chance: Chance,
    register: Register,
    items: list[Item],
    question: dict[str, Any],
) -> str:
    bounds = {name: written(chance, question[name]) for name in ("start_at", "end_at")}
    outcome = await analyst.answer(analysis_of(register, {**question, **bounds}))
    assert outcome.body is not None
    assert outcome.plan is not None
    said = json.loads(outcome.body, parse_float=Decimal, parse_int=Decimal)
    agree(said, opinion(items, question), (SEED, outcome.plan.name, question))
    return outcome.plan.name


def agree(said: dict[str, Any], expected: Opinion, where: Any) -> None:
    shown = [(row["period"], row["group"], row.get("other", False)) for row in said["rows"]]
    assert shown == [(row.period, row.group, row.is_other) for row in expected.rows], where
    question = where[-1]
    pairs = [*zip(said["rows"], expected.rows, strict=True)]
    assert ("totals" in said) == question["totals"], where
    if question["totals"]:
        pairs += [*zip(said["totals"]["periods"], expected.totals, strict=True)]
        pairs.append((said["totals"]["all"], expected.grand_total))
    for row, opinion_ in pairs:
        check_row(row, opinion_, where)
    if expected.compared is None:
        assert "compared_with" not in said, where
    else:
        bounds = [datetime.fromisoformat(said["compared_with"][n]) for n in ("start_at", "end_at")]
        assert tuple(bounds) == expected.compared, where


def check_row(row: dict[str, Any], expected: Row, where: Any) -> None:
    same(row["values"], expected.values, where)
    if expected.previous is None:
        assert "previous" not in row, where
    else:
        same(row["previous"], expected.previous, where)


def same(said: dict[str, Any], expected: Values, where: Any) -> None:
    assert [*said] == [*expected], where
    for name, exact in expected.items():
        if exact is None or len(exact.as_tuple().digits) < 150:
            assert said[name] == exact, (name, where)
        else:
            assert abs(said[name] - exact) <= abs(exact) * Decimal("1e-15"), (name, where)


@pytest.mark.parametrize("is_eager", [False, True])
async def test_a_second_implementation_agrees_while_items_keep_arriving(
    make_register: MakeRegister, database: Database, is_eager: bool, sessions: ReadSources
) -> None:
    print(f"AGGREGATE_SEED={SEED}")  # noqa: T201 - shown when it fails
    settings = AggregatorSettings(
        rollup_overhead_rows=-1 if is_eager else 1_000_000,
        rows_max=1_000_000,
        body_bytes_max=100_000_000,
    )
    analyst = Analyst(sessions, settings)
    chance = AnalysisChance(SEED + 2)
    used = set()
    for number in range(REGISTERS):
        name, text = ODD[number % len(ODD)]
        centre, zone = datetime.fromisoformat(text), chance.zone(name)
        values = chance.choices(VALUES, k=chance.choice([1, 3, 8]))
        register = await make_register(LABELS)
        items = await _arrive(database, register, chance, centre, values)
        if is_eager:
            grids = [Grid(Grain.DAY, zone), Grid(Grain.HOUR), Grid(Grain.QUARTER)]
            wanted: list[tuple[Grid, set[str]]] = [(grid, set()) for grid in grids]
            wanted += [
                (chance.choice(grids), set(chance.choice([COLUMN_SETS[-1], *COLUMN_SETS])))
                for _ in range(3)
            ]
            await _define(database, register, *wanted)
        for _ in range(QUESTIONS):
            if chance.random() < 0.5:
                items += await _arrive(database, register, chance, centre, values)
            if is_eager and chance.random() < 0.5:
                await _fold(database, register)
            question = chance.analysis(items, zone, centre, values)
            plan = await compare(analyst, chance, register, items, question)
            used.add((plan, bool({"min", "max"} & {*question["measures"]})))
    by_columns = {has_extremes for plan, has_extremes in used if plan == "columns-day"}
    assert by_columns == ({True, False} if is_eager else set()), used
