"""Every failpoint struck: the process killed there, an error, a silence, a lost connection.

A kill needs a process for each point, which dies at it. The others leave the process alive: all
points of all services are armed at once, with dice, for a while. The stimuli make the load pass
points that it would not pass by itself. Two stand at ends of a build that no load comes to, an
error and a worker that stops: those are brought about one at a time, and the process is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from shared.contracts.rollups import RollupRequest
from shared.contracts.routes import RECORDS, ROLLUP_WISHES
from shared.failpoints.steps import AFTER, BEFORE, POINTS, Step
from tests.chaos import profile
from tests.chaos.history import Outcome
from tests.chaos.services import Service
from tests.chaos.shop import Shop, batch, busy, open_shop
from tests.chaos.suite import Suite, healing
from tests.chaos.system import System
from tests.chaos.test_messages_strange import confirming_channel, publish
from tests.engines import ROOT
from tests.waiting import until

pytestmark = pytest.mark.timeout(profile.SECONDS_MAX)
# More than fits in one part of an upload, packed.
MANY = 30_000
DIE_SECONDS = 40
STORM_SECONDS = 4.0 if not profile.IS_LONG else 40.0
WORKER, RECORDER, GATEWAY, AGGREGATOR = "report_worker", "recorder", "gateway", "aggregator"

# Which processes may die at a step; the first that comes there does. Others are passed by workers.
OWNERS = {
    Step.REPORT_ACCEPT: (GATEWAY,),
    Step.REPORT_DELETE: (GATEWAY,),
    Step.OBJECT_REMOVE: (GATEWAY, WORKER),
    Step.RECORD: (RECORDER,),
    Step.ROLLUP_FOLD: (RECORDER,),
    Step.ROLLUP_ENSURE: (RECORDER,),
    Step.ROLLUP_WISH: (RECORDER,),
    Step.MESSAGE_PUBLISH: (GATEWAY, RECORDER, WORKER),
    Step.OUTBOX_RELAY: (GATEWAY, RECORDER, WORKER),
    Step.MESSAGE_REPLY: (RECORDER, AGGREGATOR),
    Step.MESSAGE_ACKNOWLEDGE: (RECORDER, AGGREGATOR),
    Step.MESSAGE_DEAD_LETTER: (RECORDER,),
}
# Struck by the suite of ends, each in its way: see `_strike_end`.
ENDS = (Step.REPORT_FAIL, Step.REPORT_RELEASE)
# In code that is shared, and passed by workers only: they alone write objects, and take builds.
OF_WORKERS = (
    *(Step.UPLOAD_WHOLE, Step.UPLOAD_BEGIN, Step.UPLOAD_PART, Step.UPLOAD_COMPLETE),
    *(Step.OBJECT_STAT, Step.MESSAGE_ACKNOWLEDGE_EARLY),
)
ATTEMPTS = "TALLYPORT_REPORT_ATTEMPTS_MAX"
NOT_REACHED = "not reached"
# An error there is no passing one: the report ends as an error, or the message is put away for a
# person, as it should be. The checker would take either for a harm.
UNFORESEEN = (Step.REPORT_FAIL, Step.MESSAGE_ACKNOWLEDGE_EARLY)
# What else must go wrong for a step to be passed at all.
ALSO = {Step.REPORT_RETRY: "object.stat.before=exception,chance=0.5;"}


def steps() -> list[Step]:
    """What the load passes: all but the ends."""
    return [step for step in Step if step not in ENDS]


@asynccontextmanager
async def stimulated(suite: Suite, shop: Shop, large: Shop) -> AsyncIterator[None]:
    """Clients at work, and besides: removals, large reports, nonsense, new registers."""
    is_over = asyncio.Event()

    async def stimulate() -> None:
        async with confirming_channel(suite.system) as channel:
            while not is_over.is_set():
                asked = await shop.ask()
                await asyncio.sleep(suite.dice.uniform(0, 0.6))
                if asked.report_id is not None:
                    await shop.cancel(asked.report_id)
                ready = await shop.a_ready_report()
                if ready is not None:
                    await shop.cancel(ready)
                operation = suite.history.sent_nonsense(str(uuid4()))
                await publish(channel, RECORDS.name, b"{", message_id=operation.message_id)
                operation.outcome = Outcome.OK
                if await large.unfinished() == 0:
                    await large.ask()
                _, made = await shop.call("POST", "/registers", json={"name": shop.key("other")})
                if made is not None and "id" in made:
                    items = batch({"a": 1})
                    await shop.call("POST", f"/registers/{made['id']}/items", json=items)
                wish = RollupRequest(
                    store_id=shop.store_id,
                    register_id=shop.register_id,
                    zone="UTC",
                    columns=("meta0",),
                )
                await publish(
                    channel,
                    ROLLUP_WISHES.name,
                    wish.model_dump_json().encode(),
                    message_type=wish.kind,
                    message_id=str(wish.message_id),
                )

    async with busy(shop, large):
        task = asyncio.create_task(stimulate())
        try:
            yield
        finally:
            is_over.set()
            await task


def _services(system: System, step: Step) -> list[Service]:
    owners = OWNERS.get(step, (WORKER,))
    return [service for service in system.services if service.name in owners]


async def test_failpoints_kill_loses_nothing(system: System) -> None:
    suite = Suite("failpoints_kill", system)
    points = [f"{step}.{side}" for step in steps() for side in (BEFORE, AFTER)]
    suite.dice.shuffle(points)
    async with (
        healing(system),
        open_shop(system, suite.history, suite.dice) as shop,
        open_shop(system, suite.history, suite.dice, customers=MANY) as large,
    ):
        async with stimulated(suite, shop, large):
            for point in points[: profile.rounds(short=1, long=len(points))]:
                await _die_at(suite, Step(point.rpartition(".")[0]), point)
                suite.rounds += 1
            # Clients that were promised nothing yet ask for a minute: somebody should be there.
            await _revive(system)
        verdict = await suite.judge([shop, large])
    unreached = suite.faults.pop(NOT_REACHED, 0)
    verdict.require_no_harm()
    assert not unreached, f"{unreached} points were not reached: the load does not pass them"


async def _revive(system: System) -> None:
    """One that was told not to die any more may have been about to: each at most once, as those
    that are started again are told nothing."""
    for _ in system.services:
        with contextlib.suppress(AssertionError):
            return await system.revive()
    return await system.revive()


async def _die_at(suite: Suite, step: Step, point: str) -> None:
    """All processes that may pass the point are armed; one of them dies there and comes back."""
    armed = _services(suite.system, step)
    await _revive(suite.system)
    for service in armed:
        with contextlib.suppress(AssertionError, OSError):
            await service.arm(f"{ALSO.get(step, '')}{point}=kill")

    async def one_died() -> bool:
        return any(not service.is_alive for service in armed)

    try:
        await until(one_died, seconds=DIE_SECONDS, what=f"a death at {point}")
        suite.faults[f"killed at {step}"] += 1
    except AssertionError:
        suite.faults[NOT_REACHED] += 1
        print(f"nobody came to {point}")  # noqa: T201
    for service in armed:
        # It may be dying just now as well.
        with contextlib.suppress(AssertionError, OSError):
            await service.arm("")


async def test_failpoints_ends_loses_nothing(system: System) -> None:
    """A process killed while it writes down that a report has failed, or gives one back."""
    suite = Suite("failpoints_ends", system)
    points = [f"{step}.{side}" for step in ENDS for side in (BEFORE, AFTER)]
    suite.dice.shuffle(points)
    async with healing(system), open_shop(system, suite.history, suite.dice) as shop:
        for number in range(profile.rounds(short=1, long=3 * len(points))):
            await _strike_end(suite, shop, points[number % len(points)])
            suite.rounds += 1
        verdict = await suite.judge([shop])
    verdict.require_no_harm()


async def _strike_end(suite: Suite, shop: Shop, point: str) -> None:
    """One worker alone builds, comes to such an end, and dies there; the other takes over."""
    system = suite.system
    victim, *others = suite.dice.sample(system.workers, k=len(system.workers))
    step = Step(point.rpartition(".")[0])
    for worker in system.workers:
        await worker.stop()
    # The first failure is the last one, for this worker.
    await victim.start(**({ATTEMPTS: "1"} if step is Step.REPORT_FAIL else {}))
    if step is Step.REPORT_FAIL:
        await victim.arm(f"object.stat.before=exception;{point}=kill")
        (await shop.ask()).may_fail = True
    else:
        began = victim.log.stat().st_size
        await victim.arm(f"object.stat.before=hang:60,hit=1;{point}=kill")
        await shop.ask()
        await victim.passes("object.stat.before", since=began)
        victim.terminate()
    assert await victim.ended() == -signal.SIGKILL, f"it did not come to {point}"
    suite.faults[f"killed at {step}"] += 1
    for worker in (victim, *others):
        await worker.start()
    await system.revive()


def test_every_step_is_struck_where_it_stands() -> None:
    """A new failpoint is struck by whoever is named for it; one that stands in the code of a
    service is that service's, and one in code that services share has somebody named."""
    used = _users()
    assert used.keys() == set(Step), "no code passes these"
    wrong = {}
    for step, users in used.items():
        shared = users - {WORKER, RECORDER, GATEWAY, AGGREGATOR}
        named = OWNERS.get(step)
        owners = set(named or (WORKER,))
        fits = (named is not None or step in OF_WORKERS) if shared else owners == users
        if not fits:
            wrong[step] = users
    assert wrong == {}
    assert {*steps(), *ENDS} == set(Step)


def _users() -> dict[Step, set[str]]:
    """Whose code names a step: a service, or else the package it is shared by."""
    used: dict[Step, set[str]] = {}
    for folder in ("services", "shared"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.is_relative_to(ROOT / "shared" / "failpoints"):
                continue
            owner = path.relative_to(ROOT / folder).parts[0] if folder == "services" else folder
            for name in re.findall(r"\bStep\.([A-Z_]+)\b", path.read_text()):
                used.setdefault(Step[name], set()).add(owner)
    return used


async def test_failpoints_exception_loses_nothing(system: System) -> None:
    await _storm(Suite("failpoints_exception", system), "exception", 0.05)


@pytest.mark.slow
async def test_failpoints_drop_loses_nothing(system: System) -> None:
    await _storm(Suite("failpoints_drop", system), "drop", 0.03)


@pytest.mark.slow
async def test_failpoints_hang_loses_nothing(system: System) -> None:
    await _storm(Suite("failpoints_hang", system), "hang:0.7", 0.05)


async def _storm(suite: Suite, action: str, chance: float) -> None:
    """All points of all services at once, with dice, for a while."""
    system = suite.system
    text = ";".join(
        f"{point}={action},chance={chance},seed={suite.dice.randrange(10**6)}"
        for point in sorted(POINTS)
        if not point.startswith(UNFORESEEN)
    )
    async with (
        healing(system),
        open_shop(system, suite.history, suite.dice) as shop,
        open_shop(system, suite.history, suite.dice, customers=MANY) as large,
    ):
        sizes = {service: service.log.stat().st_size for service in system.services}
        for service in system.services:
            await service.arm(text)
        async with stimulated(suite, shop, large):
            await asyncio.sleep(STORM_SECONDS)
            await system.disarm()
        suite.rounds = 1
        for service, size in sizes.items():
            suite.faults.update(_struck(service, size))
        verdict = await suite.judge([shop, large])
    assert suite.faults, "nothing went wrong: the failpoints were not armed"
    verdict.require_no_harm()


def _struck(service: Service, offset: int) -> Counter[str]:
    """What the service's log says about its failpoints, by step."""
    return Counter(_steps_in(service.log.read_bytes()[offset:].decode(errors="replace")))


def _steps_in(log: str) -> Iterator[str]:
    for line in log.splitlines():
        if line.startswith("{") and '"failpoint.reached"' in line:
            told = json.loads(line)
            yield f"{told['action']} at {told['point'].rpartition('.')[0]}"
