"""The text of the setting, and what a point does to the code around it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from shared import failpoints
from shared.failpoints import FailpointError, Step
from shared.failpoints.plan import Action, Plan, Rule, parse
from shared.failpoints.steps import POINTS
from shared.settings import FailpointSettings

CLAIMED = "report.claim.after"


@pytest.fixture
def armed(request: pytest.FixtureRequest) -> Iterator[Plan]:
    plan = parse(request.param)
    failpoints.arm(plan)
    yield plan
    failpoints.arm(None)


def test_every_step_has_two_points() -> None:
    assert len(POINTS) == 2 * len(Step)
    assert {"record.before", "record.after"} <= POINTS


def test_the_setting_is_read() -> None:
    plan = parse(
        "report.claim.after=kill,hit=2; upload.part.before=exception,chance=0.25,seed=7;"
        "report.finish.before=hang:0.5;message.publish.before=drop"
    )
    assert plan.rules == {
        CLAIMED: Rule(Action.KILL, hit=2),
        "upload.part.before": Rule(Action.EXCEPTION, chance=0.25, seed=7),
        "report.finish.before": Rule(Action.HANG, 0.5),
        "message.publish.before": Rule(Action.DROP),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("report.claim.after", "'report.claim.after' is not POINT=ACTION"),
        ("report.clam.after=kill", "there is no failpoint 'report.clam.after'; near it: "),
        ("nothing.like=kill", "there is no failpoint 'nothing.like'"),
        (f"{CLAIMED}=explode", "'explode' is none of kill, exception, hang, drop, count"),
        (f"{CLAIMED}=hang", "seconds belong to hang"),
        (f"{CLAIMED}=kill:3", "seconds belong to hang"),
        (f"{CLAIMED}=hang:soon", "hang needs a number, not 'soon'"),
        (f"{CLAIMED}=hang:nan", "hang takes 0 to 3600 seconds"),
        (f"{CLAIMED}=kill,hit=0", "hit counts from 1"),
        (f"{CLAIMED}=kill,hit=1.5", "hit counts from 1"),
        (f"{CLAIMED}=kill,chance=2", "a chance is between 0 and 1"),
        (f"{CLAIMED}=kill,when=now", "'when' is none of hit, chance, seed"),
        (f"{CLAIMED}=kill;{CLAIMED}=drop", f"{CLAIMED} is there twice"),
    ],
)
def test_what_is_wrong_is_said(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r".+") as refused:
        parse(text)
    assert told in str(refused.value)


def test_a_process_does_not_start_with_a_setting_that_is_wrong() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.recorder"],
        env={
            "TALLYPORT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
            "TALLYPORT_BROKER_URL": "amqp://nobody@127.0.0.1:1/",
            "TALLYPORT_FAILPOINTS": "record.befor=kill",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "TALLYPORT_FAILPOINTS: Value error, there is no failpoint 'record.befor'" in done.stderr
    assert "near it: record.after, record.before" in done.stderr


def test_without_the_setting_there_is_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TALLYPORT_FAILPOINTS", raising=False)
    assert FailpointSettings().plan is None
    monkeypatch.setenv("TALLYPORT_FAILPOINTS", f"{CLAIMED}=kill")
    plan = FailpointSettings().plan
    assert plan is not None
    assert plan.rules[CLAIMED].action is Action.KILL


async def _pass_points(step: Step, times: int) -> list[int]:
    """Which passages of the point before the step raised, from 1."""
    raised = []
    for number in range(1, times + 1):
        try:
            await failpoints.before(step)
        except FailpointError:
            raised.append(number)
    return raised


@pytest.mark.parametrize("armed", ["record.before=exception,hit=3"], indirect=True)
async def test_a_hit_is_that_passage_only(armed: Plan) -> None:
    assert await _pass_points(Step.RECORD, 5) == [3]
    assert armed.passed["record.before"] == 5
    await failpoints.after(Step.RECORD)


@pytest.mark.parametrize("armed", ["record.before=exception,chance=0.5,seed=7"], indirect=True)
async def test_a_chance_falls_the_same_for_the_same_seed(armed: Plan) -> None:
    first = await _pass_points(Step.RECORD, 100)
    assert 20 < len(first) < 80
    failpoints.arm(parse("record.before=exception,chance=0.5,seed=7"))
    assert await _pass_points(Step.RECORD, 100) == first
    failpoints.arm(parse("record.before=exception,chance=0.5,seed=8"))
    assert await _pass_points(Step.RECORD, 100) != first


@pytest.mark.parametrize("armed", ["record.after=hang:0.1"], indirect=True)
async def test_a_hang_holds_the_task_or_the_thread_only(armed: Plan) -> None:
    began = time.monotonic()
    hanging = asyncio.create_task(failpoints.after(Step.RECORD))
    thread = asyncio.create_task(asyncio.to_thread(failpoints.after_in_thread, Step.RECORD))
    await failpoints.before(Step.RECORD)
    assert not hanging.done()
    await asyncio.gather(hanging, thread)
    assert time.monotonic() - began >= 0.1


@pytest.mark.parametrize("armed", ["record.before=drop"], indirect=True)
async def test_a_drop_ends_the_connection_in_hand(armed: Plan) -> None:
    dropped: list[str] = []
    await failpoints.before(Step.RECORD, lambda: dropped.append("the connection"))
    assert dropped == ["the connection"]
    with pytest.raises(FailpointError):
        await failpoints.before(Step.RECORD)  # nothing in hand: it was lost already


def test_a_kill_is_a_kill() -> None:
    code = (
        "import asyncio\n"
        "from shared import failpoints\n"
        "from shared.failpoints.plan import parse\n"
        "failpoints.arm(parse('record.before=kill'))\n"
        "asyncio.run(failpoints.before(failpoints.Step.RECORD))\n"
        "print('alive')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -9
    assert "alive" not in done.stdout
