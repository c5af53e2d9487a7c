"""A question is understood once while its register is the same, and anew as soon as it is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.aggregator.planner import TAIL_VERSIONS_MAX
from services.aggregator.registers import Seen
from services.aggregator.understood import (
    CHARACTERS_MAX,
    PERIODS_MAX,
    QUESTIONS_MAX,
    Understood,
    question_key,
)
from shared.contracts.aggregations import AggregateArguments, AggregateQuery
from shared.contracts.analyses import AggregateAnalysis
from shared.errors import InvalidArgumentError

KNOWN = Seen(version=7, meta={}, rollups=(), definition="[{}, null]")
CHANGING = replace(KNOWN, is_changing=True)


@dataclass(eq=False)
class Made:
    period_count: int = 1


class Asking:
    """Counts how often it had to understand."""

    def __init__(self) -> None:
        self.understood: Understood[Made] = Understood()
        self.times = 0

    def ask(self, question: str = "q", known: Seen = KNOWN, *, periods: int = 1) -> bool:
        """Whether the question was understood anew."""
        before = self.times

        def understand() -> Made:
            self.times += 1
            return Made(periods)

        self.understood.find(question, known, understand)
        return self.times > before


@pytest.mark.parametrize(
    ("before", "now", "is_anew"),
    [
        (KNOWN, KNOWN, False),
        (KNOWN, replace(KNOWN), False),
        # Without a tail it is right for this version only.
        (KNOWN, replace(KNOWN, version=8), True),
        (KNOWN, replace(KNOWN, definition='[{"meta0": "a"}, null]'), True),
        (KNOWN, CHANGING, True),
        (CHANGING, KNOWN, True),
        (CHANGING, replace(CHANGING, version=8), False),
        (CHANGING, replace(CHANGING, version=7 + TAIL_VERSIONS_MAX), False),
        # The tail may be long by now.
        (CHANGING, replace(CHANGING, version=8 + TAIL_VERSIONS_MAX), True),
        # Another process was ahead of this one.
        (CHANGING, replace(CHANGING, version=6), True),
        (CHANGING, replace(CHANGING, definition="[{}, []]"), True),
    ],
)
def test_it_is_understood_anew_when_the_register_is_another(
    before: Seen, now: Seen, is_anew: bool
) -> None:
    asking = Asking()
    assert asking.ask(known=before)
    assert asking.ask(known=now) == is_anew
    assert not asking.ask(known=now)


def test_those_asked_last_are_remembered() -> None:
    asking = Asking()
    assert all(asking.ask(str(number)) for number in range(QUESTIONS_MAX))
    assert not asking.ask("0")
    assert asking.ask("one more")
    assert not asking.ask("0")
    assert asking.ask("1")


def test_what_is_long_is_not_remembered() -> None:
    asking = Asking()
    assert asking.ask("a", periods=PERIODS_MAX)
    assert not asking.ask("a", periods=PERIODS_MAX)
    assert asking.ask("b", periods=PERIODS_MAX + 1)
    assert asking.ask("b", periods=PERIODS_MAX + 1)
    assert asking.ask("c" * (CHARACTERS_MAX + 1))
    assert asking.ask("c" * (CHARACTERS_MAX + 1))


def test_what_is_refused_is_refused_each_time() -> None:
    understood: Understood[Made] = Understood()

    def refuse() -> Made:
        raise InvalidArgumentError("no")

    for _ in range(2):
        with pytest.raises(InvalidArgumentError):
            understood.find("q", KNOWN, refuse)


def test_questions_differ_in_what_is_asked_and_in_nothing_else() -> None:
    def query(**changes: object) -> str:
        return question_key(
            AggregateQuery.model_validate(
                {
                    "store_id": 1,
                    "measure": "item_sum",
                    "arguments": AggregateArguments(register_id=5),
                    "deadline": datetime.now(UTC) + timedelta(seconds=1),
                    **changes,
                }
            )
        )

    keys = [
        query(),
        query(store_id=2),
        query(measure="item_count"),
        query(arguments=AggregateArguments(register_id=6)),
        query(arguments=AggregateArguments(register_id=5, invert_sign=True)),
        query(representation="csv"),
        query(if_none_match='"x"'),
    ]
    assert len({*keys}) == len(keys)
    assert query() == keys[0]


def test_a_number_is_another_question_than_its_text() -> None:
    def analysis(value: object) -> str:
        asked = {"register_id": 1, "filter": {"label": "a", "eq": value}}
        deadline = datetime.now(UTC) + timedelta(seconds=1)
        return question_key(AggregateAnalysis(store_id=1, arguments=asked, deadline=deadline))

    # What is meant by the first is `100`.
    assert analysis(Decimal("1E+2")) != analysis("1E+2")
    assert analysis(1) != analysis(True)
    assert analysis("x") == analysis("x")
