"""What clients asked and were told, in the manner of Jepsen; and what is there at the end.

In: operations, each written down when it is invoked and when its outcome is known. Out: values for
`checker.check`. An operation without an answer, or with one that leaves it open (a lost connection,
5xx), is UNKNOWN: it may have happened or not, but not by half and not twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar


class Outcome(Enum):
    """What a client knows."""

    OK = "ok"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class AskForReport:
    """A report was asked for, with an idempotency key of its own. `report_id` when it was told.
    `expected_rows` is what the file must hold. `may_fail`: it is made to, and an error is as good
    an end of it."""

    key: str
    expected_rows: int | None = None
    outcome: Outcome = Outcome.UNKNOWN
    report_id: int | None = None
    may_fail: bool = False


@dataclass(slots=True)
class Cancel:
    """A report was removed, or was to be."""

    report_id: int
    outcome: Outcome = Outcome.UNKNOWN


@dataclass(slots=True)
class Record:
    """A batch of items: cents by unique key. All of it happens, or nothing."""

    register_id: int
    cents: Mapping[str, int]
    outcome: Outcome = Outcome.UNKNOWN


@dataclass(slots=True)
class Nonsense:
    """A message that nobody can handle; its id is found again among the dead letters."""

    message_id: str
    outcome: Outcome = Outcome.UNKNOWN


Operation = AskForReport | Cancel | Record | Nonsense
Kind = TypeVar("Kind", AskForReport, Cancel, Record, Nonsense)


@dataclass(slots=True)
class History:
    """All operations of all clients, in the order of their invocation."""

    operations: list[Operation] = field(default_factory=list)

    def asked(self, key: str, expected_rows: int | None = None) -> AskForReport:
        return self._add(AskForReport(key, expected_rows))

    def cancelled(self, report_id: int) -> Cancel:
        return self._add(Cancel(report_id))

    def recorded(self, register_id: int, cents: Mapping[str, int]) -> Record:
        return self._add(Record(register_id, dict(cents)))

    def sent_nonsense(self, message_id: str) -> Nonsense:
        return self._add(Nonsense(message_id))

    def _add(self, operation: Kind) -> Kind:
        self.operations.append(operation)
        return operation

    @property
    def accepted(self) -> int:
        """How many operations were told that they happened."""
        return sum(one.outcome is Outcome.OK for one in self.operations)


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report as the database has it. `key` is the idempotency key that it was asked with."""

    report_id: int
    key: str | None
    status: str
    attempt: int
    object_key: str | None = None
    object_bytes: int | None = None
    object_sha256: str | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the store has it, read and hashed."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a report's row, in the order of commits; `status` "gone" for a removal."""

    report_id: int
    status: str
    attempt: int
    object_key: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it came to a listener, once for each delivery."""

    kind: str
    message_id: str
    report_id: int | None = None
    register_id: int | None = None
    inserted: int | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """A register: its items as they are in the table, and what is said about them."""

    register_id: int
    items: tuple[tuple[str, int], ...]  # (unique key, cents), in any order, as often as it is there
    told_count: int  # what a question is answered, over rollups
    told_cents: int
    rollup_disagreements: int = 0


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that is there once it is quiet."""

    reports: tuple[ReportRow, ...] = ()
    objects: tuple[StoredObject, ...] = ()
    changes: tuple[Change, ...] = ()
    events: tuple[Event, ...] = ()
    ledgers: tuple[Ledger, ...] = ()
    queued: Mapping[str, int] = field(default_factory=dict)  # messages left, by work queue
    dead: tuple[str, ...] = ()  # message ids of the dead letters, as often as they are there
    outbox: int = 0
    slowest_answer: float = 0.0  # seconds that a caller waited for an answer, or in vain
