"""The clock: engines take turns, question by question, so that noise meets all of them alike. In
its turn each is asked twice, and the second answer is timed.

Comes in: engines, questions, how many rounds. Goes out: `Times` by (question, engine).
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.counting.engines import Engine
from bench.counting.http_line import Reply
from bench.counting.questions import Question

ROUNDS_MIN = 3

Told = Callable[[str], None]


@dataclass
class Times:
    """Milliseconds, and of ours how many of them the database took (Server-Timing)."""

    taken: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    plan: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.taken)

    @property
    def p99(self) -> float:
        return percentile(self.taken, 0.99)

    @property
    def database_median(self) -> float | None:
        return statistics.median(self.database) if self.database else None

    def note(self, began: float, ended: float, given: object) -> None:
        self.taken.append((ended - began) * 1_000)
        if isinstance(given, Reply) and (timing := given.header("server-timing")):
            self.database.append(float(timing.partition("dur=")[2]))
            self.plan = given.header("tallyport-plan")


Table = dict[tuple[str, str], Times]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    return sorted(values)[max(math.ceil(len(values) * share) - 1, 0)]


async def take_turns(
    engines: Sequence[Engine],
    questions: Sequence[Question],
    *,
    rounds: int,
    slow_every: int,
    seconds: float,
    told: Told,
) -> Table:
    """Each engine once a round, slow ones in every `slow_every`-th, in turns from the first to the
    last and from the last to the first: who comes behind a slow one finds caches that are cold. A
    first round only warms, and none begins when so many seconds are over."""
    table: Table = {(q.name, e.name): Times() for q in questions for e in engines}
    gc.collect()
    gc.disable()
    try:
        stop_at = time.monotonic() + seconds
        for number in range(rounds + 1):
            if number > ROUNDS_MIN and time.monotonic() > stop_at:
                break
            told(f"round {number} of {rounds}")
            for question in questions:
                for engine in engines if number % 2 else engines[::-1]:
                    if not engine.slow or number == 0 or number % slow_every == 1 % slow_every:
                        times = table[question.name, engine.name] if number else Times()
                        await _once(engine, question, times)
            gc.collect()
    finally:
        gc.enable()
    return table


async def _once(engine: Engine, question: Question, times: Times) -> None:
    await engine.ready()
    # While the others had their turns its processes slept, and what they use went cold: the more of
    # them, the colder. Whoever is asked often is not.
    await engine.ask(question)
    began = time.perf_counter()
    given = await engine.ask(question)
    ended = time.perf_counter()
    times.note(began, ended, given)
    del given  # freed here, where no clock runs
