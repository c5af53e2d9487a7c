"""Mechanisms taken out, one at a time, to see that the suites find the harm.

In: nothing. Out: the services' own code with one thing replaced, for a process that
`tests.chaos.armed` starts. A suite that stays green with its mechanism gone tests nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any, ClassVar

from services.gateway.handlers import reports as gateway_reports
from services.recorder import ledger
from services.report_worker import aftermath
from services.report_worker.failures import BuildFailure, build_failure
from services.report_worker.reaper import Reaper
from shared.database import outbox, report_builds, reports
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.handling import Handling
from shared.messaging.publisher import Publisher
from shared.messaging.rpc_client import RpcClient
from shared.objects.store import ObjectStore, StoredObject, UploadedObject
from shared.reporting.accept import accept_report
from shared.rollups import folding


def no_outbox() -> None:
    """Events are not promised but published right away, and nobody hears whether it worked."""
    publishers: list[Publisher] = []
    make = Publisher.__init__

    def made(self: Publisher, broker: Any) -> None:
        make(self, broker)
        publishers.append(self)

    async def publish(_connection: Any, _store_id: int, message: Any) -> None:
        _unattended(publishers[0].publish(message))

    Publisher.__init__ = made  # type: ignore[method-assign]
    outbox.enqueue_event = publish


def no_confirms() -> None:
    """A promise is forgotten before anybody has confirmed it."""
    publish_body = Publisher.publish_body

    async def hope(self: Publisher, **message: Any) -> None:
        _unattended(publish_body(self, **message))

    Publisher.publish_body = hope  # type: ignore[method-assign]


def no_fence() -> None:
    """The attempt's number is not asked for: whoever comes last has the report."""
    _in_sql(report_builds, "finish_report", "attempt = $3 AND status = 'building'", "$3 > 0")
    _in_sql(report_builds, "renew_lease", "status = 'building' AND attempt = $3", "$3 > 0")
    # The files' primary key would stop a second publication as well.
    _in_sql(report_builds, "insert_report_file", "$7)", "$7) ON CONFLICT DO NOTHING")


def no_reaper() -> None:
    """Nobody looks after reports whose worker is gone."""

    async def sleep(_self: Reaper) -> None:
        await asyncio.Event().wait()

    Reaper.run = sleep  # type: ignore[method-assign]


def no_second_attempt() -> None:
    """Whatever goes wrong in a build is the end of the report."""

    def lasting(error: BaseException) -> BuildFailure:
        return replace(build_failure(error), retryable=False)

    aftermath.build_failure = lasting


def acknowledge_first() -> None:
    """Every message is acknowledged before its work is done."""
    handle = Handling.handle

    async def acknowledged(self: Handling, message: Any, receipt: Any, asker: Any) -> None:
        await receipt.acknowledge()
        await handle(self, message, receipt, asker)

    Handling.handle = acknowledged  # type: ignore[method-assign]


def no_unique_key() -> None:
    """An item that comes again is another item."""
    append = ledger.append

    async def always_new(connection: Any, register: Any, batches: Sequence[Any]) -> None:
        await append(connection, register, [_Renamed(batch) for batch in batches])  # type: ignore[misc]

    ledger.append = always_new


class _Renamed:
    """Rows of items, each under a key that is not there yet."""

    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self, rows: Any) -> None:
        self.columns = rows.columns
        self._rows = rows

    def text(self, before: str) -> Iterator[bytes]:
        for rows in self._rows.text(before):
            for line in rows.decode().splitlines(keepends=True):
                key, _, rest = line.removeprefix(f"{before}\t").partition("\t")
                again = f"{key}~{self.seen[key]}" if self.seen[key] else key
                self.seen[key] += 1
                yield f"{before}\t{again}\t{rest}".encode()


def no_idempotency() -> None:
    """A request that is repeated is another request."""

    async def accept(*arguments: Any, **options: Any) -> Any:
        return await accept_report(*arguments, **{**options, "idempotency": None})

    gateway_reports.accept_report = accept


def deaf_to_the_store() -> None:
    """What the object store says about an upload is not listened to."""
    sent: dict[str, UploadedObject] = {}
    put = ObjectStore._put

    def believe(self: ObjectStore, key: str, source: Any, content_type: str) -> UploadedObject:
        try:
            sent[key] = put(self, key, source, content_type)
        except Exception:  # noqa: BLE001 - that is the sabotage
            sent[key] = UploadedObject(key, source.bytes_read, source.sha256, "")
        return sent[key]

    async def imagine(_self: ObjectStore, key: str) -> StoredObject:
        return StoredObject(key, sent[key].bytes, sent[key].etag)

    ObjectStore._put = believe  # type: ignore[method-assign]
    ObjectStore.stat = imagine  # type: ignore[method-assign]


def no_removal() -> None:
    """A report that is removed is told to be gone, and is not."""
    reports.delete_report = reports.find_report


def no_dead_letters() -> None:
    """What cannot be handled is dropped."""

    async def drop(*_arguments: Any, **_options: Any) -> None:
        return

    DeadLetters.put = drop  # type: ignore[method-assign]


def no_deadline() -> None:
    """Whoever asks over the broker waits until the answer comes, if it does."""
    call = RpcClient.call

    async def patient(self: RpcClient, message: Any, *, deadline_seconds: float) -> Any:
        return await call(self, message, deadline_seconds=3_600 + deadline_seconds)

    RpcClient.call = patient  # type: ignore[method-assign]


def fold_nothing() -> None:
    """Rollups are said to hold what was recorded, and do not."""

    async def pretend(connection: Any, rollups: Sequence[Any], target: int) -> int:
        for rollup in rollups:
            of = folding._key(rollup)
            await connection.execute(folding._SQL["advance"], *of, target, 0, 0, None, None)
        return 0

    folding._fold_group = pretend


def _in_sql(module: ModuleType, name: str, old: str, new: str) -> None:
    """Another text in a named query; the old one must have been there."""
    text = module._SQL[name]
    assert old in text, f"{name} has no {old!r} any more"
    module._SQL = {**module._SQL, name: text.replace(old, new)}  # type: ignore[attr-defined]


def _unattended(sending: Any) -> None:
    task = asyncio.ensure_future(sending)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


SABOTAGES: dict[str, Callable[[], None]] = {
    one.__name__: one
    for one in (
        no_outbox,
        no_confirms,
        no_fence,
        no_reaper,
        no_second_attempt,
        acknowledge_first,
        no_unique_key,
        no_idempotency,
        deaf_to_the_store,
        no_removal,
        no_dead_letters,
        no_deadline,
        fold_nothing,
    )
}
