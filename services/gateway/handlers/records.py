"""Take records of any number and pass them on in batches, with back-pressure to the caller.

`POST /registers/{id}/items`, `/customers`, `/transactions`, `/subscriptions`: the answer comes
when all of it is committed. A batch is written whole or not at all; what was committed before a
bad batch stays, and the answer says so: sending all of it again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import web

from services.gateway import access, bodies, problems, record_stream
from services.gateway.dependencies import Dependencies, dependencies
from services.gateway.record_stream import CONTENT_TYPES, JSON, NDJSON, Batch
from services.gateway.upload_room import UploadRoom
from shared.contracts.failures import FailureDetail
from shared.contracts.item_columns import ItemBatch
from shared.contracts.message import Message
from shared.contracts.record_columns import RecordColumns
from shared.contracts.recording import (
    RecordCustomers,
    Recorded,
    RecordItems,
    RecordSubscriptions,
    RecordTransactions,
    VoidItem,
)
from shared.database.accounts import Scope
from shared.errors import InvalidArgumentError, TallyportError
from shared.messaging.codec import validate

UPLOADS = web.AppKey("uploads", UploadRoom)
MakeMessage = Callable[[Batch], Message]


async def items(request: web.Request) -> web.Response:
    """`POST /registers/{id}/items`: `{"inserted": n, "duplicates": n}`."""
    register_id = access.path_id(request)
    caller = await access.caller(request, Scope.WRITE, register_id=register_id)
    recording = _Recording(
        dependencies(request),
        request.app[UPLOADS],
        "items",
        lambda batch: _items_message(batch, caller.store.store_id, register_id),
    )
    return await _record(request, recording, ("inserted", "duplicates"), CONTENT_TYPES)


def _items_message(batch: Batch, store_id: int, register_id: int) -> Message:
    """The items are checked here, and travel by column."""
    content = {"store_id": store_id, "register_id": register_id, "items": batch.records}
    columns = RecordColumns.of(store_id, register_id, validate(content, ItemBatch).items)
    # With more labels than a register can have it will be refused, and told which they are.
    return columns or validate(content, RecordItems)


async def void(request: web.Request) -> web.Response:
    """`POST /registers/{id}/items/void`: adds the reverse of an item."""
    body = bodies.parse_object(await bodies.whole(request))
    register_id = access.path_id(request)
    caller = await access.caller(request, Scope.WRITE, register_id=register_id)
    parts = dependencies(request)
    message = validate(
        {
            "store_id": caller.store.store_id,
            "register_id": register_id,
            "unique_key": body.get("unique_key"),
        },
        VoidItem,
    )
    recorded = await parts.rpc.ask(
        message, Recorded, deadline_seconds=parts.settings.gateway.record_seconds
    )
    return web.json_response(_counts(recorded, ("inserted", "duplicates")))


async def customers(request: web.Request) -> web.Response:
    """`POST /customers`: inserted or replaced by id."""
    return await _store_records(
        request,
        "customers",
        RecordCustomers,
    )


async def transactions(request: web.Request) -> web.Response:
    """`POST /transactions`: inserted or replaced by id, their lines posted to the ledger."""
    return await _store_records(
        request,
        "transactions",
        RecordTransactions,
    )


async def subscriptions(request: web.Request) -> web.Response:
    """`POST /subscriptions`: inserted or replaced by id."""
    return await _store_records(
        request,
        "subscriptions",
        RecordSubscriptions,
    )


async def _store_records(
    request: web.Request, field: str, message_class: type[Message]
) -> web.Response:
    caller = await access.caller(request, Scope.WRITE)
    recording = _Recording(
        dependencies(request),
        request.app[UPLOADS],
        field,
        lambda batch: validate(
            {"store_id": caller.store.store_id, field: batch.records}, message_class
        ),
    )
    shown = ("inserted", "replaced", "duplicates")
    # Lists within a record have no place in CSV.
    return await _record(request, recording, shown, (JSON, *NDJSON))


async def _record(
    request: web.Request,
    recording: _Recording,
    shown: tuple[str, ...],
    content_types: tuple[str, ...],
) -> web.Response:
    settings = dependencies(request).settings.gateway
    if request.content_type not in content_types:
        raise web.HTTPUnsupportedMediaType(
            reason=f"send {', '.join(content_types)}; not {request.content_type}"
        )
    try:
        async for batch in record_stream.batches(
            bodies.chunks(request),
            request.content_type,
            records_max=settings.batch_records,
            bytes_max=settings.batch_bytes,
            record_bytes_max=settings.record_bytes_max,
        ):
            await recording.send(batch)
        await recording.finish()
    except TallyportError as error:
        await recording.settle()
        return problems.from_error(request, error, extra=_counts(recording.total, shown))
    finally:
        recording.abandon()
    return web.json_response(_counts(recording.total, shown))


def _counts(recorded: Recorded, shown: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(recorded, name) for name in shown}


class _Recording:
    """Batches in flight to the recorder: a few at a time, so that the slowest part sets the pace
    of the caller's upload."""

    def __init__(
        self, parts: Dependencies, room: UploadRoom, field: str, make_message: MakeMessage
    ) -> None:
        self.total = Recorded()
        self._parts = parts
        self._room = room
        self._field = field
        self._make_message = make_message
        self._in_flight: deque[asyncio.Task[Recorded]] = deque()

    async def send(self, batch: Batch) -> None:
        """Send a batch, once there is room for it. Raises what an earlier one was refused for."""
        message = self._message(batch)
        while len(self._in_flight) >= self._parts.settings.gateway.batches_in_flight:
            await self._collect()
        size = await self._room.take(
            batch.size_bytes, seconds=self._parts.settings.gateway.record_seconds
        )
        task = asyncio.create_task(self._ask(message, batch.offset))
        task.add_done_callback(lambda _: self._room.give(size))
        self._in_flight.append(task)

    async def finish(self) -> None:
        """Wait for what is in flight."""
        while self._in_flight:
            await self._collect()

    async def settle(self) -> None:
        """After a refusal: count what was in flight and went through."""
        while self._in_flight:
            try:
                await self._collect()
            except TallyportError:
                continue

    def abandon(self) -> None:
        """The caller hung up: what is in flight is committed or not, but nobody waits for it."""
        for task in self._in_flight:
            task.cancel()

    async def _collect(self) -> None:
        recorded = await self._in_flight.popleft()
        self.total = Recorded(
            inserted=self.total.inserted + recorded.inserted,
            replaced=self.total.replaced + recorded.replaced,
            duplicates=self.total.duplicates + recorded.duplicates,
        )

    async def _ask(self, message: Message, offset: int) -> Recorded:
        try:
            return await self._parts.rpc.ask(
                message,
                Recorded,
                deadline_seconds=self._parts.settings.gateway.record_seconds,
            )
        except TallyportError as error:
            raise type(error)(
                error.message,
                details=_moved(error.details, offset, self._field),
                retry_after_seconds=error.retry_after_seconds,
            ) from error

    def _message(self, batch: Batch) -> Message:
        try:
            return self._make_message(batch)
        except InvalidArgumentError as error:
            details = _moved(error.details, batch.offset, self._field)
            raise InvalidArgumentError(
                f"{self._field}[{details[0].index}]: {details[0].reason}", details=details
            ) from None


def _moved(
    details: tuple[FailureDetail, ...], offset: int, field: str
) -> tuple[FailureDetail, ...]:
    """The details with indexes counted in the whole body, and fields within the record."""
    moved = []
    for detail in details:
        if detail.index is None:
            moved.append(detail)
            continue
        name = (detail.field or "").removeprefix(f"{field}.{detail.index}").removeprefix(".")
        moved.append(
            detail.model_copy(update={"index": detail.index + offset, "field": name or None})
        )
    return tuple(moved)
