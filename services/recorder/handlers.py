"""The edge: which message goes to which use case, and what is told about it.

Comes in: messages of `tallyport.record` and `tallyport.rollup.request`. Goes out: `Recorded` or
`RegisterSaved`, after the commit. Refusals are raised; the consumer makes replies or dead letters
of them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from services.recorder import metrics
from services.recorder.change_registers import create_register, update_register
from services.recorder.record_customers import record_customers
from services.recorder.record_items import ItemRecorder
from services.recorder.record_subscriptions import record_subscriptions
from services.recorder.record_transactions import record_transactions
from services.recorder.rollup_keeper import RollupKeeper
from services.recorder.void_item import void_item
from shared.contracts.item_columns import ItemBatch
from shared.contracts.message import Message
from shared.contracts.record_columns import RecordColumns
from shared.contracts.recording import (
    RecordCustomers,
    Recorded,
    RecordSubscriptions,
    RecordTransactions,
    RegisterCreate,
    RegisterSaved,
    RegisterUpdate,
    VoidItem,
)
from shared.contracts.rollups import RollupRequest
from shared.database.pool import Database
from shared.errors import TallyportError
from shared.messaging.delivery import Delivery, Handler

Saved = Recorded | RegisterSaved
UseCase = Callable[[Any, Delivery], Awaitable[Saved]]

_log = structlog.get_logger(__name__)


def handlers_of(
    database: Database,
    items: ItemRecorder,
    keeper: RollupKeeper,
    *,
    promised: Callable[[], None],
) -> Mapping[type[Message], Handler]:
    """One handler for each kind. `promised` is called when an event may wait in the outbox, and
    `keeper` is told which register was written to (None: the store's sales register)."""
    use_cases: dict[type[Message], UseCase] = {
        RegisterCreate: lambda message, delivery: create_register(
            database, message, redelivered=delivery.redelivered
        ),
        RegisterUpdate: lambda message, _: update_register(database, message),
        ItemBatch: lambda message, _: items.record(message),
        RecordColumns: lambda message, _: items.record(message),
        VoidItem: lambda message, _: void_item(database, message),
        RecordCustomers: lambda message, _: record_customers(database, message),
        RecordTransactions: lambda message, _: record_transactions(database, message),
        RecordSubscriptions: lambda message, _: record_subscriptions(database, message),
    }
    written = {ItemBatch, RecordColumns, VoidItem, RecordTransactions}

    def recorded(message: Any, saved: Recorded) -> None:
        promised()
        if type(message) in written:
            register_id = getattr(message, "register_id", None)
            keeper.recorded(message.store_id, register_id, items=saved.inserted)

    return {kind: _told(use_case, recorded) for kind, use_case in use_cases.items()}


def wish_handlers_of(keeper: RollupKeeper) -> Mapping[type[Message], Handler]:
    """For `tallyport.rollup.request`: nobody waits for an answer."""

    async def request_rollup(message: RollupRequest, _: Delivery) -> None:
        await keeper.requested(message)

    return {RollupRequest: request_rollup}


def _told(use_case: UseCase, recorded: Callable[[Any, Recorded], None]) -> Handler:
    """The use case with one line an outcome in the log, and its metrics."""

    async def handle(message: Any, delivery: Delivery) -> Saved:
        log = _log.bind(
            store_id=message.store_id, register_id=getattr(message, "register_id", None)
        )
        began = time.monotonic()
        try:
            saved = await use_case(message, delivery)
        except TallyportError as error:
            metrics.REFUSED.labels(message.kind, error.code.value).inc()
            log.info("record.refused", code=error.code.value, reason=error.message)
            raise
        seconds = time.monotonic() - began
        metrics.SECONDS.labels(message.kind).observe(seconds)
        if isinstance(saved, Recorded):
            recorded(message, saved)
            outcome = {
                "inserted": saved.inserted,
                "replaced": saved.replaced,
                "duplicates": saved.duplicates,
            }
            for name, count in outcome.items():
                metrics.RECORDED.labels(message.kind, name).inc(count)
            log.info("record.committed", milliseconds=round(seconds * 1_000, 1), **outcome)
        else:
            log.info("register.saved", saved_register_id=saved.register_id)
        return saved

    return handle
