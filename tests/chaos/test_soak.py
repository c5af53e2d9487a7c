"""A mixed load with a fault a minute, for as long as `make soak MINUTES=` says: nothing grows.

Every few seconds the memory (RSS), descriptors and tasks of each process are written down, and the
connections at the database and at the broker; `growth.judge` says what has grown.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

import psutil
import pytest

from devstack.errors import EngineError
from shared.database.pool import PASSING_ERRORS
from tests.chaos import profile
from tests.chaos.growth import Series, judge
from tests.chaos.shop import Shop, busy, open_shop
from tests.chaos.suite import RESULTS, Suite, healing
from tests.chaos.system import System

MINUTES = float(os.environ.get("TALLYPORT_SOAK_MINUTES") or 0)
SAMPLE_SECONDS = 5.0
FAULT_SECONDS = 60.0 if MINUTES >= 5 else 20.0
MIB = 1024 * 1024
_CONNECTIONS = """
SELECT application_name AS name, count(*) AS count FROM pg_stat_activity
 WHERE datname = current_database() AND application_name <> 'chaos' GROUP BY 1
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MINUTES, reason="it takes as long as `make soak MINUTES=` says"),
    pytest.mark.timeout(MINUTES * 60 + 600),
]


async def _sample(system: System, series: Series) -> None:
    for service in system.services:
        process = psutil.Process(service.pid)
        series[f"rss_mib {service.label}"].append(process.memory_info().rss / MIB)
        series[f"descriptors {service.label}"].append(process.num_fds())
        _, page = await service.page("/metrics")
        for line in page.splitlines():
            if line.startswith("tallyport_tasks "):
                series[f"tasks {service.label}"].append(float(line.split()[1]))
    async with system.database.acquire() as connection:
        for row in await connection.fetch(_CONNECTIONS):
            series[f"connections database {row['name']}"].append(row["count"])
    told = await asyncio.to_thread(
        system.engines.rabbitmq.evaluate, "length(rabbit_networking:connections())"
    )
    series["connections broker"].append(float(told))


async def _keep_sampling(system: System, series: Series, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        try:
            await _sample(system, series)
        except (*PASSING_ERRORS, EngineError, psutil.Error):
            pass  # what is down now is sampled again in a moment
        await asyncio.sleep(SAMPLE_SECONDS)


async def _keep_questioning(shop: Shop, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        for measure in ("item_count", "item_sum", "item_average"):
            await shop.call(
                "POST",
                f"/reports/{measure}",
                json={
                    "register_id": shop.register_id,
                    "start_at": "2024-01-01T00:00:00Z",
                    "end_at": "2024-12-31T23:59:59Z",
                    "group_by_period": "month",
                },
            )
        await asyncio.sleep(0.05)


def _faults(system: System) -> dict[str, Callable[[], Awaitable[object]]]:
    """None of them ends a process: a new one would begin anew."""
    engines = system.engines

    async def freeze() -> None:
        system.workers[0].freeze()
        await asyncio.sleep(3)
        system.workers[0].thaw()

    async def silence() -> None:
        system.database_proxy.silence()
        await asyncio.sleep(2)
        system.database_proxy.speak()

    async def reset(engine: str) -> None:
        getattr(system, f"{engine}_proxy").reset()

    return {
        "database restarted": lambda: asyncio.to_thread(engines.postgres.restart),
        "broker restarted": lambda: asyncio.to_thread(engines.rabbitmq.restart),
        "object store killed": lambda: asyncio.to_thread(_kill_store, system),
        "database connections reset": lambda: reset("database"),
        "broker connections reset": lambda: reset("broker"),
        "object store connections reset": lambda: reset("store"),
        "worker frozen": freeze,
        "database silent": silence,
    }


def _kill_store(system: System) -> None:
    system.engines.object_store.kill()
    system.engines.object_store.start()


async def test_soak_nothing_grows(system: System) -> None:
    suite = Suite("soak", system)
    series: Series = defaultdict(list)
    faults = _faults(system)
    pids = {service.label: service.pid for service in system.services}
    async with healing(system), open_shop(system, suite.history, suite.dice) as shop:
        is_over = asyncio.Event()
        async with asyncio.TaskGroup() as beside, busy(shop):
            beside.create_task(_keep_sampling(system, series, is_over))
            beside.create_task(_keep_questioning(shop, is_over))
            end = time.monotonic() + MINUTES * 60
            while time.monotonic() < end:
                await asyncio.sleep(min(FAULT_SECONDS, max(0.0, end - time.monotonic())))
                name = suite.dice.choice([*faults])
                await faults[name]()
                suite.faults[name] += 1
                suite.rounds += 1
            is_over.set()
        verdict = await suite.judge([shop])
    samples = RESULTS.with_name("soak.json")
    samples.parent.mkdir(parents=True, exist_ok=True)
    samples.write_text(json.dumps({"seed": profile.SEED, "minutes": MINUTES, "series": series}))
    verdict.require_no_harm()
    assert judge(series) == []
    assert pids == {service.label: service.pid for service in system.services}, "a process ended"
