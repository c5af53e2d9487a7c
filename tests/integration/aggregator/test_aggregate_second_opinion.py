"""Random registers, ranges, zones and groupings: the product and a second implementation agree.

AGGREGATE_REGISTERS   how many registers (40), 12 questions about each
AGGREGATE_SEED        to repeat a run; a failure shows the seed
"""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from tests.integration.aggregator.register_under_test import MakeRegister, Register
from tests.integration.aggregator.second_opinion import Item, answer

REGISTERS = int(os.environ.get("AGGREGATE_REGISTERS", "40"))
QUESTIONS = 12
SEED = int(os.environ.get("AGGREGATE_SEED", random.SystemRandom().randrange(10**9)))

# A zone and a moment near which something is unusual there.
ODD = [
    ("America/Detroit", "2023-03-12T07:00:00+00:00"),
    ("America/Detroit", "2023-11-05T06:00:00+00:00"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00+00:00"),
    ("America/Sao_Paulo", "2018-02-18T02:00:00+00:00"),
    ("Asia/Kathmandu", "1985-12-31T18:30:00+00:00"),
    ("Asia/Kathmandu", "2024-02-29T18:15:00+00:00"),
    ("Africa/Monrovia", "1972-01-07T00:44:30+00:00"),
    ("Pacific/Apia", "2011-12-30T10:00:00+00:00"),
    ("Antarctica/Troll", "2023-03-26T01:00:00+00:00"),
    ("Antarctica/Troll", "2023-10-29T01:00:00+00:00"),
    ("America/St_Johns", "2005-10-30T02:31:00+00:00"),
    ("Australia/Lord_Howe", "2024-04-06T15:00:00+00:00"),
    ("Asia/Gaza", "2011-09-29T21:00:00+00:00"),
    ("Pacific/Chatham", "2024-12-31T10:15:00+00:00"),
    ("Europe/London", "2024-01-01T00:00:00+00:00"),
    ("UTC", "2000-02-29T00:00:00+00:00"),
    ("UTC", "2022-12-31T23:59:59+00:00"),
]
LABELS = ["income_account", "warehouse", "orderType"]
VALUES = [
    None,
    "a",
    "A",
    "b2b shipping",
    "Zürich",
    "\uffff",
    "\U0001d518",
    '"q"',
    "\\",
    "\n",
    "\x01",
]
TICK = timedelta(microseconds=1)


class Chance(random.Random):
    """Random, but fond of edges."""

    def moment(self, centre: datetime) -> datetime:
        reach = self.choice([timedelta(minutes=90), timedelta(hours=40), timedelta(days=400)])
        moment = centre + reach * self.uniform(-1, 1)
        if self.random() < 0.3:
            moment = moment.replace(minute=0, second=0, microsecond=0)
        return moment + self.choice([-TICK, timedelta(0), TICK])

    def amount(self) -> Decimal:
        scale = self.choice([0, 1, 2, 2, 2, 9, 18])
        digits = self.choice([1, 3, 5, 18, 38])
        return Decimal(self.randrange(-(10**digits) + 1, 10**digits)).scaleb(-min(scale, digits))

    def zone(self, usual: str) -> str:
        return usual if self.random() < 0.7 else self.choice(ZONES)

    def question(self, items: list[Item], zone: str, centre: datetime) -> dict[str, Any]:
        bounds = sorted({self.moment(centre), self.moment(centre)})
        if items and self.random() < 0.3:
            bounds = sorted({self.choice(items).originated_at, bounds[0]})
        if len(bounds) < 2:
            bounds = [bounds[0], bounds[0] + TICK]
        return {
            "measure": self.choice(["item_count", "item_sum", "item_average"]),
            "start_at": bounds[0],
            "end_at": bounds[1],
            "timezone": self.choice([None, zone, zone, zone]),
            "group_by_period": self.choice([None, "day", "week", "month", "quarter", "year"]),
            "group_by": self.choices(LABELS, k=self.choice([0, 0, 1, 2, 3, 4])),
            "invert_sign": self.random() < 0.2,
        }


ZONES = sorted(available_timezones() - {"localtime", "posixrules", "Factory"})


def written(chance: random.Random, instant: datetime) -> str:
    text = instant.astimezone(UTC).isoformat().removesuffix("+00:00")
    return text + chance.choice(["Z", "+00:00", "+0000", ""])


async def test_agrees_with_a_second_implementation(make_register: MakeRegister) -> None:
    print(f"AGGREGATE_SEED={SEED}")  # noqa: T201 - shown when it fails
    chance = Chance(SEED)
    for number in range(REGISTERS):
        name, text = ODD[number % len(ODD)]
        centre, zone = datetime.fromisoformat(text), chance.zone(name)
        values = chance.choices(VALUES, k=chance.choice([1, 3, 8]))
        items = [
            Item(chance.moment(centre), chance.amount(), {c: chance.choice(values) for c in LABELS})
            for _ in range(chance.choice([0, 1, 5, 100, 300]))
        ]
        register = await make_register(
            LABELS, [(i.originated_at, i.amount, *(i.meta[c] for c in LABELS)) for i in items]
        )
        for _ in range(QUESTIONS):
            question = chance.question(items, zone, centre)
            await compare(chance, register, items, question)


async def compare(
    chance: random.Random, register: Register, items: list[Item], question: dict[str, Any]
) -> None:
    asked = {
        **question,
        "start_at": written(chance, question["start_at"]),
        "end_at": written(chance, question["end_at"]),
    }
    body = await register.body(**asked)
    said = json.loads(body, parse_float=Decimal, parse_int=Decimal)["count"]
    expected = answer(items, question)
    where = (SEED, question)
    assert [(row["period"], row["group"]) for row in said] == [row[:2] for row in expected], where
    for row, (_, _, exact) in zip(said, expected, strict=True):
        value: Decimal = row["value"]
        if len(exact.as_tuple().digits) < 150:
            # It has a last digit: the value is shown to it, without an exponent or idle zeros.
            assert value == exact, where
            plain = format(exact, "f")
            plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
            assert f'"value":{"0" if not exact else plain}}}' in body, where
        else:
            assert abs(value - exact) <= abs(exact) * Decimal("1e-15"), where


def test_the_list_of_odd_moments_is_odd() -> None:
    """Most of them are within two hours of a change of the zone's clocks or of a year."""
    near = timedelta(hours=2)
    odd = 0
    for name, text in ODD:
        zone, moment = ZoneInfo(name), datetime.fromisoformat(text)
        before, after = (moment - near).astimezone(zone), (moment + near).astimezone(zone)
        changes = before.utcoffset() != after.utcoffset()
        odd += changes or before.date() != after.date()
    assert odd == len(ODD)
