"""Whether a question sees what was recorded before it.

Comes in: a running system. Goes out: how many questions after a write did not see it
(goal 3: none).
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from dataclasses import dataclass

from bench.counting.data import LABELS
from bench.counting.http_line import Line
from bench.counting.questions import MAIN, Question
from bench.counting.recording import lines as live_lines
from bench.counting.system import System
from shared.database.pool import Connection

_NDJSON = b"application/x-ndjson"
LONG_EVERY = 50


@dataclass(frozen=True)
class Freshness:
    writes: int
    questions: int
    stale: int
    plans: tuple[str, ...]


@dataclass(slots=True)
class _Ledger:
    """What writers know of a register: items sent, and items whose write was answered."""

    sent: int
    answered: int


async def measure(system: System, *, questions: int, callers: int) -> Freshness:
    """Writers who ask right after each answer, in turn in four ways; nobody else writes. The answer
    must hold every item whose write had been answered, and none that was not even sent."""
    register_id = system.whole.largest
    async with system.database.acquire() as connection:
        held = await _count(connection, system.whole.store_id, register_id)
    ledger = _Ledger(held, held)
    asked = writes = stale = 0
    plans: set[str] = set()

    async def write_and_ask(number: int) -> None:
        nonlocal asked, writes, stale
        rng, run, written = random.Random(number), secrets.token_hex(4), 0  # noqa: S311
        async with Line(system.url, system.whole.token) as line:
            while asked < questions:
                size = rng.randrange(1, 8)
                body = live_lines(size, run, written, rng)
                ledger.sent += size
                await line.call("POST", f"/registers/{register_id}/items", body, _NDJSON)
                ledger.answered += size
                written += size
                writes += 1
                at_least = ledger.answered
                # The last is 43,860 rows long: now and then is enough.
                question = MAIN[asked % 3 if asked % LONG_EVERY else -1]
                asked += 1
                _, arguments = question.call(register_id, LABELS)
                reply = await line.post("/reports/item_count", arguments)
                plans.add(reply.header("tallyport-plan"))
                found = sum(row["value"] for row in json.loads(reply.body)["count"])
                stale += not at_least <= found <= ledger.sent

    await asyncio.gather(*map(write_and_ask, range(callers)))
    return Freshness(writes, asked, stale, tuple(sorted(plans)))


async def _count(connection: Connection, store_id: int, register_id: int) -> int:
    question: Question = MAIN[0]
    found = await connection.fetchval(
        """SELECT count(*) FROM register_items
            WHERE store_id = $1 AND register_id = $2 AND originated_at BETWEEN $3 AND $4""",
        store_id,
        register_id,
        question.start,
        question.end,
    )
    return int(found)
