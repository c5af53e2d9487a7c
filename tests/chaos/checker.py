"""Does what is there agree with what clients were told? Pure functions.

In: a history and an observation, taken when it was quiet. Out: findings, each of one kind; an empty
list is the promise kept. Every rule is stricter than "it looks well": an accepted report is there
once, whole, with its events; an item is there once, and the sums say so; what was not accepted is
there by half in no case.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from tests.chaos.history import (
    AskForReport,
    Cancel,
    Event,
    History,
    Ledger,
    Nonsense,
    Observation,
    Outcome,
    Record,
    ReportRow,
)

T = TypeVar("T")
FINAL = ("ready", "error")
# The longest deadline that the suites give the gateway is 8 s; a busy machine may add to it. A
# caller that has heard nothing then is left alone (`tests/chaos/shop.py` hangs up).
ANSWER_SECONDS = 15.0
GONE = "gone"
READY_EVENT, FAILED_EVENT, RECORDED_EVENT = (
    "report.ready.v1",
    "report.failed.v1",
    "items.recorded.v1",
)


class Harm(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    CORRUPT = "corrupt"
    REGRESSED = "regressed"  # left a final state, or became older
    STUCK = "stuck"
    FAILED = "failed"  # ended as an error, though nothing was wrong with it
    LEFT_OVER = "left over"  # an object that nobody points at
    MISCOUNTED = "miscounted"
    LATE = "late"  # a caller heard nothing for longer than any deadline of ours


@dataclass(frozen=True, slots=True)
class Finding:
    harm: Harm
    what: str

    def __str__(self) -> str:
        return f"{self.harm}: {self.what}"


def check(history: History, seen: Observation) -> list[Finding]:
    """Everything that is wrong."""
    return [
        *_reports(history, seen),
        *_changes(seen),
        *_objects(seen),
        *_report_events(history, seen),
        *_items(history, seen),
        *_recorded_events(seen),
        *_queues(history, seen),
        *_waits(seen),
    ]


def _of(history: History, kind: type[T]) -> list[T]:
    return [one for one in history.operations if isinstance(one, kind)]


def _cancels(history: History) -> dict[int, Outcome]:
    """What is known of the removal of each report: OK if any attempt at it was."""
    known: dict[int, Outcome] = {}
    for one in _of(history, Cancel):
        if known.get(one.report_id) is not Outcome.OK and one.outcome is not Outcome.FAIL:
            known[one.report_id] = one.outcome
    return known


def _reports(history: History, seen: Observation) -> Iterator[Finding]:
    by_key: defaultdict[str | None, list[ReportRow]] = defaultdict(list)
    for row in seen.reports:
        by_key[row.key].append(row)
    removed = _cancels(history)
    asked = _of(history, AskForReport)
    for one in asked:
        rows = by_key[one.key]
        if len(rows) > 1:
            yield Finding(Harm.DUPLICATED, f"{one.key} is {len(rows)} reports")
        if one.outcome is Outcome.FAIL and rows:
            yield Finding(Harm.CORRUPT, f"{one.key} was refused, and is a report")
        is_there = any(row.report_id == one.report_id for row in rows)
        if one.outcome is Outcome.OK and not is_there and one.report_id not in removed:
            yield Finding(Harm.LOST, f"{one.key} was accepted as {one.report_id} and is gone")
        for row in rows:
            yield from _row(one, row, removed.get(row.report_id))
    keys = {one.key for one in asked}
    for row in seen.reports:
        if row.key not in keys:
            yield Finding(Harm.DUPLICATED, f"nobody asked for the report {row.report_id}")


def _row(asked: AskForReport, row: ReportRow, removal: Outcome | None) -> Iterator[Finding]:
    name = f"report {row.report_id} ({asked.key})"
    if removal is Outcome.OK:
        yield Finding(Harm.REGRESSED, f"{name} was removed and is there, {row.status}")
    if row.status not in FINAL:
        yield Finding(Harm.STUCK, f"{name} is {row.status} in attempt {row.attempt}")
    elif row.status == "error" and asked.may_fail:
        return
    elif row.status == "error":
        yield Finding(Harm.FAILED, f"{name} ended as an error after {row.attempt} attempts")
    elif asked.expected_rows is not None and row.rows != asked.expected_rows:
        yield Finding(Harm.CORRUPT, f"{name} has {row.rows} rows, not {asked.expected_rows}")


def _changes(seen: Observation) -> Iterator[Finding]:
    """A final state is left by removal only; attempts go up; nothing comes back from removal."""
    last: dict[int, tuple[str, int, str | None]] = {}
    for change in seen.changes:
        before = last.get(change.report_id)
        now = (change.status, change.attempt, change.object_key)
        last[change.report_id] = now
        if before is None:
            continue
        name = f"report {change.report_id}"
        if before[0] == GONE or (before[0] in FINAL and change.status not in (GONE, before[0])):
            yield Finding(Harm.REGRESSED, f"{name} went from {before[0]} to {change.status}")
        elif change.status != GONE and change.attempt < before[1]:
            yield Finding(Harm.REGRESSED, f"{name}: attempt {change.attempt} after {before[1]}")
        elif before[0] == "ready" and change.status == "ready" and now != before:
            yield Finding(Harm.REGRESSED, f"{name} was published twice: {before}, {now}")


def _objects(seen: Observation) -> Iterator[Finding]:
    stored = {one.key: one for one in seen.objects}
    wanted = {row.object_key: row for row in seen.reports if row.status == "ready"}
    for key, row in wanted.items():
        found = stored.get(key or "")
        if found is None:
            yield Finding(Harm.LOST, f"report {row.report_id} is ready without its object {key}")
        elif (found.bytes, found.sha256) != (row.object_bytes, row.object_sha256):
            yield Finding(
                Harm.CORRUPT,
                f"report {row.report_id}: {row.object_bytes} bytes, {row.object_sha256} promised;"
                f" {found.bytes}, {found.sha256} stored",
            )
    for key in stored.keys() - wanted.keys():
        yield Finding(Harm.LEFT_OVER, f"nobody points at the object {key}")


def _report_events(history: History, seen: Observation) -> Iterator[Finding]:
    """One event for each end, however often it was delivered: repeated it has the same id."""
    ids: defaultdict[tuple[str, int | None], set[str]] = defaultdict(set)
    for event in seen.events:
        ids[event.kind, event.report_id].add(event.message_id)
    removed = _cancels(history)
    for row in seen.reports:
        if row.status not in FINAL:
            continue
        ready = ids[READY_EVENT, row.report_id]
        failed = ids[FAILED_EVENT, row.report_id]
        right, wrong = (ready, failed) if row.status == "ready" else (failed, ready)
        if not right:
            yield Finding(Harm.LOST, f"the event that report {row.report_id} is {row.status}")
        if len(right) > 1 or wrong:
            yield Finding(
                Harm.DUPLICATED,
                f"report {row.report_id} is {row.status}: told ready {len(ready)} times, failed"
                f" {len(failed)} times",
            )
    known = {row.report_id for row in seen.reports} | removed.keys()
    for kind, report_id in ids:
        if report_id is not None and report_id not in known:
            yield Finding(Harm.LOST, f"{kind} of report {report_id}, which is nowhere")


def _items(history: History, seen: Observation) -> Iterator[Finding]:
    ledgers = {ledger.register_id: ledger for ledger in seen.ledgers}
    expected: defaultdict[int, set[str]] = defaultdict(set)
    for one in _of(history, Record):
        ledger = ledgers.get(one.register_id)
        there: defaultdict[str, list[int]] = defaultdict(list)
        for key, cents in ledger.items if ledger else ():
            if key in one.cents:
                there[key].append(cents)
        expected[one.register_id].update(one.cents)
        name = f"batch {min(one.cents)} of register {one.register_id}"
        if one.outcome is Outcome.OK and len(there) < len(one.cents):
            yield Finding(
                Harm.LOST, f"{name}: {len(one.cents) - len(there)} items of {len(one.cents)}"
            )
        if one.outcome is Outcome.UNKNOWN and 0 < len(there) < len(one.cents):
            yield Finding(Harm.CORRUPT, f"{name}: {len(there)} items of {len(one.cents)}")
        if one.outcome is Outcome.FAIL and there:
            yield Finding(Harm.CORRUPT, f"{name} was refused, and {len(there)} items are there")
        for key, values in there.items():
            if len(values) > 1:
                yield Finding(Harm.DUPLICATED, f"{key} is there {len(values)} times")
            if set(values) != {one.cents[key]}:
                yield Finding(Harm.CORRUPT, f"{key} is {values}, not {one.cents[key]}")
    for ledger in seen.ledgers:
        yield from _ledger(ledger, expected[ledger.register_id])


def _ledger(ledger: Ledger, expected: set[str]) -> Iterator[Finding]:
    """What is counted over rollups is what is there, to the cent."""
    name = f"register {ledger.register_id}"
    for key in {key for key, _ in ledger.items} - expected:
        yield Finding(Harm.DUPLICATED, f"{name}: nobody recorded {key}")
    there = (len(ledger.items), sum(cents for _, cents in ledger.items))
    if there != (ledger.told_count, ledger.told_cents):
        yield Finding(
            Harm.MISCOUNTED,
            f"{name} has {there[0]} items of {there[1]} cents; told are"
            f" {ledger.told_count} of {ledger.told_cents}",
        )
    if ledger.rollup_disagreements:
        yield Finding(
            Harm.MISCOUNTED, f"{name}: {ledger.rollup_disagreements} rows of rollups disagree"
        )


def _recorded_events(seen: Observation) -> Iterator[Finding]:
    """Each commit has told how much it inserted, once; together that is all that is there."""
    told: dict[str, Event] = {}
    for event in seen.events:
        if event.kind == RECORDED_EVENT:
            told.setdefault(event.message_id, event)
    sums: Counter[int] = Counter()
    for event in told.values():
        sums[event.register_id or 0] += event.inserted or 0
    for ledger in seen.ledgers:
        difference = len(ledger.items) - sums[ledger.register_id]
        if difference:
            harm = Harm.LOST if difference > 0 else Harm.DUPLICATED
            yield Finding(
                harm,
                f"events of register {ledger.register_id} tell of {sums[ledger.register_id]} items,"
                f" {len(ledger.items)} are there",
            )


def _queues(history: History, seen: Observation) -> Iterator[Finding]:
    for queue, count in seen.queued.items():
        if count:
            yield Finding(Harm.STUCK, f"{count} messages in {queue}")
    if seen.outbox:
        yield Finding(Harm.STUCK, f"{seen.outbox} promises in the outbox")
    dead = Counter(seen.dead)
    nonsense = {one.message_id: one for one in _of(history, Nonsense)}
    for message_id, one in nonsense.items():
        if one.outcome is Outcome.OK and not dead[message_id]:
            yield Finding(Harm.LOST, f"the dead letter {message_id}")
    for message_id in dead.keys() - nonsense.keys():
        yield Finding(Harm.FAILED, f"{message_id} was put away, and nothing was wrong with it")


def _waits(seen: Observation) -> Iterator[Finding]:
    """Nobody waits for ever: whoever asks is answered, or refused, within the deadlines."""
    if seen.slowest_answer >= ANSWER_SECONDS:
        yield Finding(Harm.LATE, f"a caller heard nothing for {seen.slowest_answer:.1f} s")
