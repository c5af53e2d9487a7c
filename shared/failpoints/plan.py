"""What is to go wrong, and where: the text of the setting, read.

Comes in: `POINT=ACTION[:SECONDS][,hit=N][,chance=P][,seed=S]`, several separated by semicolons:

    report.claim.after=kill,hit=2; upload.part.before=exception,chance=0.1,seed=7
    report.finish.before=hang:30

Goes out: a plan. An action without a condition happens each time; with `hit` the N-th time only,
counted from the start of the process; with `chance` as the dice say, the same for the same seed.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from shared.failpoints.steps import POINTS

HANG_SECONDS_MAX = 3_600.0


class Action(StrEnum):
    """What happens at a point."""

    KILL = "kill"  # SIGKILL to the own process
    EXCEPTION = "exception"  # what a lost line raises
    HANG = "hang"  # for so many seconds
    DROP = "drop"  # the connection in hand, without a farewell
    COUNT = "count"  # nothing else happens


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens at one point, and when."""

    action: Action
    seconds: float = 0.0
    hit: int | None = None
    chance: float | None = None
    seed: int = 0


class Plan:
    """Rules by point. It counts how often each point was passed, in whatever thread."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self.rules = rules
        self.passed: Counter[str] = Counter()
        self._dice = {point: random.Random(rule.seed) for point, rule in rules.items()}  # noqa: S311
        self._lock = threading.Lock()

    def due(self, point: str) -> Rule | None:
        """What is to happen at this point now. Raises `ValueError` for one that is not listed."""
        if point not in POINTS:
            raise ValueError(f"{point} is no failpoint")
        rule = self.rules.get(point)
        with self._lock:
            self.passed[point] += 1
            if rule is None or (rule.hit is not None and self.passed[point] != rule.hit):
                return None
            if rule.chance is not None and self._dice[point].random() >= rule.chance:
                return None
        return rule


def parse(text: str) -> Plan:
    """Raises `ValueError`, with what is wrong in words."""
    rules: dict[str, Rule] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        point, is_there, what = entry.partition("=")
        point = point.strip()
        if not is_there:
            raise ValueError(f"{entry!r} is not POINT=ACTION")
        if point not in POINTS:
            near = get_close_matches(point, POINTS, n=3)
            hint = f"; near it: {', '.join(sorted(near))}" if near else ""
            raise ValueError(f"there is no failpoint {point!r}{hint}")
        if point in rules:
            raise ValueError(f"{point} is there twice")
        rules[point] = _rule(point, what)
    return Plan(rules)


def _rule(point: str, text: str) -> Rule:
    what, *options = (part.strip() for part in text.split(","))
    name, has_seconds, seconds = what.partition(":")
    try:
        action = Action(name)
    except ValueError:
        raise ValueError(f"{point}: {name!r} is none of {', '.join(Action)}") from None
    if bool(has_seconds) != (action is Action.HANG):
        raise ValueError(f"{point}: seconds belong to hang, as in hang:30, and to nothing else")
    conditions: dict[str, float] = {}
    for option in options:
        key, _, value = option.partition("=")
        if key not in ("hit", "chance", "seed"):
            raise ValueError(f"{point}: {key!r} is none of hit, chance, seed")
        conditions[key] = _number(point, key, value)
    hit, chance = conditions.get("hit"), conditions.get("chance")
    if hit is not None and (hit < 1 or not hit.is_integer()):
        raise ValueError(f"{point}: hit counts from 1")
    if chance is not None and not 0 <= chance <= 1:
        raise ValueError(f"{point}: a chance is between 0 and 1")
    hang_seconds = _number(point, "hang", seconds) if has_seconds else 0.0
    if not 0 <= hang_seconds <= HANG_SECONDS_MAX:
        raise ValueError(f"{point}: hang takes 0 to {HANG_SECONDS_MAX:g} seconds")
    return Rule(
        action,
        hang_seconds,
        None if hit is None else int(hit),
        chance,
        int(conditions.get("seed", 0)),
    )


def _number(point: str, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{point}: {name} needs a number, not {text!r}") from None
