"""Failpoints: places in the code where a test lets something go wrong, in the running process.

Comes in: a plan, from the setting `TALLYPORT_FAILPOINTS`; none in production, and then a point
costs the question whether there is one. Goes out: a dead process, an error, a silence, a lost
connection, exactly there. `steps.py` lists where; docs/reliability.md says how it is used.

It is the one thing of a process that is not passed on from its `app.py`: it belongs to no part of
it, and nothing that is used in earnest should bear an argument for it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable

import structlog

from shared.failpoints.plan import Action, Plan, Rule
from shared.failpoints.steps import AFTER, BEFORE, Step

__all__ = [
    "FailpointError",
    "Step",
    "after",
    "after_in_thread",
    "arm",
    "before",
    "before_in_thread",
]

Drop = Callable[[], object]

log = structlog.get_logger(__name__)
_plan: Plan | None = None


class FailpointError(ConnectionError):
    """What a failpoint raises: to the code around it, a line that was lost."""


def arm(plan: Plan | None) -> None:
    """Follow this plan from now on, in the whole process; None: nothing happens."""
    global _plan  # noqa: PLW0603 - see above
    _plan = plan
    if plan is not None and plan.rules:
        log.warning("failpoints.armed", points=sorted(plan.rules))


async def before(step: Step, drop: Drop | None = None) -> None:
    """The step comes next. `drop` ends the connection that it uses, without a farewell."""
    if _plan is not None:
        await _pass(_plan, f"{step}.{BEFORE}", drop)


async def after(step: Step, drop: Drop | None = None) -> None:
    """The step is done."""
    if _plan is not None:
        await _pass(_plan, f"{step}.{AFTER}", drop)


def before_in_thread(step: Step, drop: Drop | None = None) -> None:
    """`before`, for code that blocks."""
    if _plan is not None:
        _pass_in_thread(_plan, f"{step}.{BEFORE}", drop)


def after_in_thread(step: Step, drop: Drop | None = None) -> None:
    """`after`, for code that blocks."""
    if _plan is not None:
        _pass_in_thread(_plan, f"{step}.{AFTER}", drop)


async def _pass(plan: Plan, point: str, drop: Drop | None) -> None:
    rule = plan.due(point)
    if rule is not None and _act(point, rule, drop):
        await asyncio.sleep(rule.seconds)


def _pass_in_thread(plan: Plan, point: str, drop: Drop | None) -> None:
    rule = plan.due(point)
    if rule is not None and _act(point, rule, drop):
        time.sleep(rule.seconds)


def _act(point: str, rule: Rule, drop: Drop | None) -> bool:
    """Do what the rule says, all but waiting. True: wait its seconds."""
    if rule.action is Action.COUNT:
        return False
    log.warning("failpoint.reached", point=point, action=rule.action.value)
    if rule.action is Action.KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    if rule.action is Action.EXCEPTION:
        raise FailpointError(f"the failpoint {point} was reached")
    if rule.action is Action.DROP:
        if drop is None:
            raise FailpointError(f"the failpoint {point} has dropped the connection")
        drop()
    return rule.action is Action.HANG
