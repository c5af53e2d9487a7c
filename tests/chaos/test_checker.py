"""The checker finds what is wrong: each history below is a good one with one thing changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import Finding, Harm, check
from tests.chaos.history import (
    Change,
    Event,
    History,
    Ledger,
    Observation,
    Outcome,
    ReportRow,
    StoredObject,
)

READY = ReportRow(1, "k1", "ready", 2, "store_1/1", 30, "aa", rows=3)
OBJECT = StoredObject("store_1/1", 30, "aa")
CHANGES = (
    Change(1, "queued", 0),
    Change(1, "building", 1),
    Change(1, "queued", 1),
    Change(1, "building", 2),
    Change(1, "ready", 2, "store_1/1"),
    Change(2, "queued", 0),
    Change(2, "gone", 0),
)
TOLD = Event("report.ready.v1", "m1", report_id=1)
LEDGER = Ledger(7, (("a", 10), ("b", 20)), told_count=2, told_cents=30)
RECORDED = Event("items.recorded.v1", "m2", register_id=7, inserted=2)
GOOD = Observation(
    reports=(READY,),
    objects=(OBJECT,),
    changes=CHANGES,
    # Delivered twice: at least once is what was promised.
    events=(TOLD, TOLD, RECORDED, RECORDED),
    ledgers=(LEDGER,),
    queued={"tallyport.record": 0},
    dead=("n1", "n1"),
)


def history(
    *,
    report: Outcome = Outcome.OK,
    cancel: Outcome = Outcome.OK,
    record: Outcome = Outcome.OK,
    nonsense: Outcome = Outcome.OK,
) -> History:
    """A report that is ready, one that was removed, a batch, and a message that is none."""
    told = History()
    asked = told.asked("k1", expected_rows=3)
    asked.outcome, asked.report_id = report, 1 if report is Outcome.OK else None
    removed = told.asked("k2")
    removed.outcome, removed.report_id = Outcome.OK, 2
    told.cancelled(2).outcome = cancel
    told.recorded(7, {"a": 10, "b": 20}).outcome = record
    told.sent_nonsense("n1").outcome = nonsense
    return told


def harms(findings: list[Finding]) -> set[Harm]:
    return {finding.harm for finding in findings}


def test_a_good_history_has_no_findings() -> None:
    assert check(history(), GOOD) == []
    assert history().accepted == 5


def test_an_error_is_an_end_of_what_was_made_to_fail() -> None:
    """Told of once, and nothing left of it."""
    told = history()
    told.operations[0].may_fail = True  # type: ignore[union-attr]
    failed = replace(READY, status="error", object_key=None)
    event = replace(TOLD, kind="report.failed.v1")
    seen = replace(
        GOOD,
        reports=(failed,),
        objects=(),
        changes=(*CHANGES[:4], Change(1, "error", 2)),
        events=(event, event, RECORDED),
    )
    assert check(told, seen) == []
    assert harms(check(told, replace(seen, events=(RECORDED,)))) == {Harm.LOST}
    assert harms(check(history(), seen)) == {Harm.FAILED}


def test_who_waits_for_as_long_as_our_deadlines_is_not_left_alone() -> None:
    assert check(history(), replace(GOOD, slowest_answer=9.0)) == []


def test_what_is_unknown_may_have_happened_or_not() -> None:
    unknown = dict.fromkeys(("report", "cancel", "record", "nonsense"), Outcome.UNKNOWN)
    assert check(history(**unknown), GOOD) == []
    nothing = Observation(changes=CHANGES[5:])
    assert check(history(**unknown), nothing) == []


def changed(**fields: Any) -> Callable[[], Observation]:
    return lambda: replace(GOOD, **fields)


def row(**fields: Any) -> tuple[ReportRow, ...]:
    return (replace(READY, **fields),)


def ledger(**fields: Any) -> tuple[Ledger, ...]:
    return (replace(LEDGER, **fields),)


BAD: dict[str, tuple[Callable[[], Observation], set[Harm]]] = {
    "an accepted report is gone, and its object is left": (
        changed(reports=()),
        {Harm.LOST, Harm.LEFT_OVER},
    ),
    "two reports for one request": (
        changed(
            reports=(READY, replace(READY, report_id=3, object_key="store_1/3")),
            objects=(OBJECT, replace(OBJECT, key="store_1/3")),
            events=(*GOOD.events, replace(TOLD, report_id=3, message_id="m3")),
        ),
        {Harm.DUPLICATED},
    ),
    "a report that nobody asked for": (
        changed(
            reports=(READY, replace(READY, report_id=3, key="k9", object_key="store_1/3")),
            objects=(OBJECT, replace(OBJECT, key="store_1/3")),
            events=(*GOOD.events, replace(TOLD, report_id=3, message_id="m3")),
        ),
        {Harm.DUPLICATED},
    ),
    "a removed report is there": (
        changed(reports=(READY, ReportRow(2, "k2", "queued", 0))),
        {Harm.REGRESSED, Harm.STUCK},
    ),
    "a report that never ends": (
        changed(reports=row(status="building"), objects=()),
        {Harm.STUCK},
    ),
    "a report that ended as an error": (
        changed(
            reports=row(status="error"),
            objects=(),
            events=(RECORDED, replace(TOLD, kind="report.failed.v1")),
        ),
        {Harm.FAILED},
    ),
    "a report with fewer rows": (changed(reports=row(rows=2)), {Harm.CORRUPT}),
    "an object of another size": (changed(objects=(replace(OBJECT, bytes=29),)), {Harm.CORRUPT}),
    "an object of another content": (
        changed(objects=(replace(OBJECT, sha256="ab"),)),
        {Harm.CORRUPT},
    ),
    "a ready report without an object": (changed(objects=()), {Harm.LOST}),
    "an object that nobody points at": (
        changed(objects=(OBJECT, replace(OBJECT, key="store_1/1/loser"))),
        {Harm.LEFT_OVER},
    ),
    "a ready report that is built again": (
        changed(changes=(*CHANGES, Change(1, "building", 3))),
        {Harm.REGRESSED},
    ),
    "a ready report that is published again": (
        changed(changes=(*CHANGES, Change(1, "ready", 3, "store_1/other"))),
        {Harm.REGRESSED},
    ),
    "an attempt that finishes after a later one has begun": (
        changed(changes=(*CHANGES[:4], Change(1, "ready", 1, "store_1/1"))),
        {Harm.REGRESSED},
    ),
    "a removed report that comes back": (
        changed(changes=(*CHANGES, Change(2, "queued", 1))),
        {Harm.REGRESSED},
    ),
    "no event of a ready report": (changed(events=(RECORDED,)), {Harm.LOST}),
    "two events of a ready report": (
        changed(events=(*GOOD.events, replace(TOLD, message_id="m3"))),
        {Harm.DUPLICATED},
    ),
    "a ready report that was told to have failed": (
        changed(events=(*GOOD.events, Event("report.failed.v1", "m4", report_id=1))),
        {Harm.DUPLICATED},
    ),
    "an event of a report that is nowhere": (
        changed(events=(*GOOD.events, Event("report.ready.v1", "m5", report_id=77))),
        {Harm.LOST},
    ),
    "an item is missing": (
        changed(
            ledgers=ledger(items=(("a", 10),), told_count=1, told_cents=10),
            events=(TOLD, replace(RECORDED, inserted=1)),
        ),
        {Harm.LOST},
    ),
    "an item is there twice": (
        changed(
            ledgers=ledger(items=(("a", 10), ("b", 20), ("b", 20)), told_count=3, told_cents=50),
            events=(TOLD, replace(RECORDED, inserted=3)),
        ),
        {Harm.DUPLICATED},
    ),
    "an item that nobody recorded": (
        changed(
            ledgers=ledger(items=(("a", 10), ("b", 20), ("c", 1)), told_count=3, told_cents=31),
            events=(TOLD, replace(RECORDED, inserted=3)),
        ),
        {Harm.DUPLICATED},
    ),
    "an item of another amount": (
        changed(ledgers=ledger(items=(("a", 10), ("b", 21)), told_cents=31)),
        {Harm.CORRUPT},
    ),
    "a sum that is not what is there": (changed(ledgers=ledger(told_cents=29)), {Harm.MISCOUNTED}),
    "a count that is not what is there": (changed(ledgers=ledger(told_count=3)), {Harm.MISCOUNTED}),
    "a rollup that disagrees": (
        changed(ledgers=ledger(rollup_disagreements=1)),
        {Harm.MISCOUNTED},
    ),
    "no event of a batch": (changed(events=(TOLD,)), {Harm.LOST}),
    "two events of a batch": (
        changed(events=(*GOOD.events, replace(RECORDED, message_id="m6"))),
        {Harm.DUPLICATED},
    ),
    "a message that is left": (changed(queued={"tallyport.record": 1}), {Harm.STUCK}),
    "a promise that is left": (changed(outbox=1), {Harm.STUCK}),
    "a caller who hears nothing": (changed(slowest_answer=15.0), {Harm.LATE}),
    "a poison message that is nowhere": (changed(dead=()), {Harm.LOST}),
    "a good message among the dead": (changed(dead=("n1", "m9")), {Harm.FAILED}),
}


@pytest.mark.parametrize("case", BAD)
def test_each_harm_is_found(case: str) -> None:
    observe, expected = BAD[case]
    assert harms(check(history(), observe())) == expected


def test_half_a_batch_is_wrong_even_if_nobody_knows_what_became_of_it() -> None:
    half = replace(
        GOOD,
        ledgers=ledger(items=(("a", 10),), told_count=1, told_cents=10),
        events=(TOLD, replace(RECORDED, inserted=1)),
    )
    assert harms(check(history(record=Outcome.UNKNOWN), half)) == {Harm.CORRUPT}


def test_what_was_refused_must_not_be_there() -> None:
    assert harms(check(history(record=Outcome.FAIL), GOOD)) == {Harm.CORRUPT}
    assert harms(check(history(report=Outcome.FAIL), GOOD)) == {Harm.CORRUPT}


def test_every_harm_has_a_history_that_shows_it() -> None:
    assert set().union(*(expected for _, expected in BAD.values())) == set(Harm)
