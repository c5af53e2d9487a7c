"""Ten times what the system can do: how much that is, the load, and what became of it."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from tests.component.conftest import Client

LABELS = ["warehouse", "account"]
ITEMS = 60_000
ITEMS_A_REQUEST = 10_000
START = datetime(2024, 1, 1, tzinfo=UTC)
_numbers = itertools.count(1)


@dataclass
class Outcome:
    """What callers saw: how long answers took, and refusals, and what was neither."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    without_retry_after: int = 0
    others: Counter[int | str] = field(default_factory=Counter)

    def described(self) -> str:
        """For whoever reads the test's output."""
        return (
            f"answered {len(self.answered)} in {_times(self.answered)}; refused "
            f"{len(self.refused)} in {_times(self.refused)}; others {dict(self.others)}"
        )


def _times(seconds: list[float]) -> str:
    if not seconds:
        return "no time"
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"p50 {statistics.median(ordered):.3f} p99 {p99:.3f} max {ordered[-1]:.3f} s"


async def record(caller: Client) -> int:
    """A register whose items are read one by one by every question; its id."""
    register = await caller.post("/registers", {"name": "Load", "meta": LABELS}, status=201)
    for first in range(0, ITEMS, ITEMS_A_REQUEST):
        items = [
            {
                "unique_key": f"i{number}",
                "amount": f"{number % 997}.25",
                "originated_at": (START + timedelta(minutes=17 * number)).isoformat(),
                "meta": {"warehouse": f"w{number % 7}", "account": f"a{number % 211}"},
            }
            for number in range(first, first + ITEMS_A_REQUEST)
        ]
        await caller.post(f"/registers/{register['id']}/items", items)
    return int(register["id"])


def question(register_id: int) -> dict[str, Any]:
    """Like no other: none is answered together with another one."""
    start = START + timedelta(microseconds=next(_numbers))
    return {
        "register_id": register_id,
        "start_at": start.isoformat(),
        "end_at": (START + timedelta(days=400)).isoformat(),
        "group_by_period": "month",
        "group_by": LABELS[:1],
    }


async def ask(caller: Client, register_id: int, outcome: Outcome) -> None:
    """One question, and what became of it."""
    began = time.monotonic()
    try:
        async with caller.session.post("/reports/item_sum", json=question(register_id)) as response:
            await response.read()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        outcome.others[type(error).__name__] += 1
        return
    seconds = time.monotonic() - began
    if response.status == 200:
        outcome.answered.append(seconds)
    elif response.status in (429, 503):
        outcome.refused.append(seconds)
        outcome.without_retry_after += "Retry-After" not in response.headers
    else:
        outcome.others[response.status] += 1


async def capacity(caller: Client, register_id: int, *, seconds: float, callers: int) -> float:
    """Answers a second when each caller asks again as soon as it is answered."""
    outcome = Outcome()
    until = time.monotonic() + seconds

    async def one() -> None:
        while time.monotonic() < until:
            await ask(caller, register_id, outcome)

    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(callers)))
    return len(outcome.answered) / (time.monotonic() - began)


async def open_loop(
    caller: Client, register_id: int, *, a_second: float, seconds: float
) -> Outcome:
    """Questions at their times, whether the earlier ones are answered or not."""
    outcome = Outcome()
    began = time.monotonic()
    asking: set[asyncio.Task[None]] = set()
    for number in range(int(a_second * seconds)):
        late = began + number / a_second - time.monotonic()
        if late > 0:
            await asyncio.sleep(late)
        task = asyncio.create_task(ask(caller, register_id, outcome))
        asking.add(task)
        task.add_done_callback(asking.discard)
        if time.monotonic() - began > seconds:
            break
    await asyncio.gather(*asking)
    return outcome
