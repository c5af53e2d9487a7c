"""A producer beside the questions: so many items a second, over HTTP, as a process of its own.

    URL=... TOKEN=... python -m bench.counting.recording REGISTER ITEMS_A_SECOND

Most items are of the last two days of the questions' range, as ledgers are written; one of ten is
of any time in it. Ends with SIGTERM, and says how many items it recorded.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bench.counting.data import COLUMNS
from bench.counting.http_line import Line
from bench.counting.questions import END, START

BATCH = 50
_LATELY = timedelta(days=2)


def lines(count: int, run: str, first: int, rng: random.Random) -> bytes:
    """So many items as NDJSON, no two of a run with the same key."""
    return b"\n".join(json.dumps(item).encode() for item in items(count, run, first, rng))


def items(count: int, run: str, first: int, rng: random.Random) -> Iterator[dict[str, object]]:
    for number in range(first, first + count):
        start = START if rng.random() < 0.1 else END - _LATELY
        moment = start + (END - start) * rng.random() * 0.999
        yield {
            "unique_key": f"live-{run}-{number}",
            "amount": f"{rng.randrange(-2_000, 18_000) / 100:.2f}",
            "originated_at": _text(moment),
            "meta": {c.label: f"{c.label}-{rng.randrange(c.values):04d}" for c in COLUMNS},
        }


async def record(register_id: int, rate: int) -> int:
    """Until SIGTERM; a batch that is late is not made up for."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    run, rng, recorded = secrets.token_hex(4), random.Random(1), 0  # noqa: S311
    async with Line(os.environ["URL"], os.environ["TOKEN"]) as line:
        print("ready", flush=True)  # noqa: T201
        clock = asyncio.get_running_loop().time
        due = clock()
        while not stop.is_set():
            body = lines(BATCH, run, recorded, rng)
            await line.call(
                "POST", f"/registers/{register_id}/items", body, b"application/x-ndjson"
            )
            recorded += BATCH
            due = max(due + BATCH / rate, clock())
            try:
                await asyncio.wait_for(stop.wait(), due - clock())
            except TimeoutError:
                continue
    return recorded


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    print(asyncio.run(record(int(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201
