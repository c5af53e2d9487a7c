"""A suite's run: faults while clients are at work, then quiet, then the judgement and its line.

In: a system, and rounds of faults. Out: `Verdict`, printed, and written as one line of JSON to
`.run/chaos/results.jsonl`, from which `make reliability` makes the table of docs/reliability.md.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from shared.contracts.routes import DEAD_QUEUE
from tests.chaos import profile
from tests.chaos.checker import Finding, Harm, check
from tests.chaos.history import History
from tests.chaos.observing import QUIET_SECONDS, observe, quiet
from tests.chaos.shop import Shop
from tests.chaos.system import LISTENER, System, drain
from tests.engines import ROOT

RESULTS = ROOT / ".run" / "chaos" / "results.jsonl"


@dataclass
class Suite:
    """`faults` counts what was done, by name; `dice` are the suite's own."""

    name: str
    system: System
    history: History = field(default_factory=History)
    faults: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    began: float = field(default_factory=time.monotonic)
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = profile.dice(self.name)
        print(f"{self.name}: seed {profile.SEED}; again: {profile.command(self.name)}")  # noqa: T201

    async def judge(self, shops: Sequence[Shop], *, seconds: float = QUIET_SECONDS) -> Verdict:
        """Heal everything, wait until it is quiet, at most so long, and look."""
        self.system.heal()
        healed = time.monotonic()
        await self.system.revive()
        await quiet(self.system, shops, seconds=seconds)
        seconds_to_final = time.monotonic() - healed
        seen = await observe(self.system, shops)
        slowest = max(shop.slowest for shop in shops)
        findings = check(self.history, replace(seen, slowest_answer=slowest))
        return Verdict(self, findings, seconds_to_final, slowest)


@dataclass(frozen=True)
class Verdict:
    """`slowest` is the longest that a caller waited for an answer, in seconds."""

    suite: Suite
    findings: list[Finding]
    seconds_to_final: float
    slowest: float

    @property
    def harms(self) -> set[Harm]:
        return {finding.harm for finding in self.findings}

    def require_no_harm(self) -> None:
        """Write the line; fails with what was found."""
        counted = Counter(finding.harm for finding in self.findings)
        line = {
            "suite": self.suite.name,
            "profile": profile.ROUNDS or "short",
            "seed": profile.SEED,
            "rounds": self.suite.rounds,
            "faults": dict(sorted(self.suite.faults.items())),
            "accepted": self.suite.history.accepted,
            **{harm.name.lower(): counted[harm] for harm in Harm},
            "seconds_to_final": round(self.seconds_to_final, 1),
            "slowest_answer": round(self.slowest, 1),
            "seconds": round(time.monotonic() - self.suite.began, 1),
            "command": profile.command(self.suite.name),
        }
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        with RESULTS.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line))  # noqa: T201
        told = "\n".join(str(finding) for finding in self.findings[:40])
        assert not self.findings, f"{len(self.findings)} findings, seed {profile.SEED}:\n{told}"


@contextlib.asynccontextmanager
async def healing(system: System) -> AsyncIterator[None]:
    """Whatever the body broke is whole afterwards, for the next suite; what one before it has left
    in the queues is gone."""
    await system.revive()
    for queue in (DEAD_QUEUE, LISTENER):
        await drain(system.world.broker_url, queue)
    try:
        yield
    finally:
        system.heal()
        await system.revive()
