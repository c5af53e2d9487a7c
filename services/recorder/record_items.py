"""`record.items.v1`: append a batch to a register, all of it or nothing.

Comes in: `RecordItems`. Goes out: `Recorded`, after the commit. Batches for the same register
that wait at the same time are committed together, and are judged as if each had come alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.recorder import ledger
from services.recorder.lanes import Lanes
from services.recorder.ledger import Appended, Row
from services.recorder.writing import write
from shared.contracts.failures import FailureDetail
from shared.contracts.recording import Item, Recorded, RecordItems
from shared.database.pool import Connection, Database
from shared.database.registers import Register, find_register
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError, TallyportError

DETAILS_MAX = 20

Outcome = Recorded | TallyportError


class ItemRecorder:
    """One for the process: it knows which batches wait together."""

    def __init__(self, database: Database, *, group_items_max: int) -> None:
        self._database = database
        self._lanes: Lanes[tuple[int, int], RecordItems, Recorded] = Lanes(
            self._write, size=lambda batch: len(batch.items), size_max=group_items_max
        )

    async def record(self, message: RecordItems) -> Recorded:
        """Raises `NotFoundError`, `InvalidArgumentError` (labels), `ConflictError` (a key that
        stands for something else); then nothing of the batch was written."""
        return await self._lanes.put((message.store_id, message.register_id), message)

    async def close(self) -> None:
        await self._lanes.close()

    async def _write(
        self, key: tuple[int, int], batches: Sequence[RecordItems]
    ) -> Sequence[Outcome]:
        try:
            return await write(self._database, lambda link: write_batches(link, *key, batches))
        except TallyportError as error:
            if not isinstance(error, ConflictError) or len(batches) == 1:
                return [error] * len(batches)
        # One of them contradicts the ledger, or the others. Rare: each gets its own transaction.
        return [outcome for batch in batches for outcome in await self._write(key, [batch])]


async def write_batches(
    connection: Connection, store_id: int, register_id: int, batches: Sequence[RecordItems]
) -> list[Outcome]:
    """Append all batches in the caller's transaction; an outcome for each.

    A batch whose items are not valid is left out and has its error as outcome. `ConflictError` is
    raised, because what it is about is already written: the caller rolls back.
    """
    try:
        register = require_writable(await find_register(connection, store_id, register_id))
    except TallyportError as error:
        return [error] * len(batches)
    rows_of_batches: list[list[Row] | InvalidArgumentError] = []
    for number, batch in enumerate(batches):
        try:
            rows_of_batches.append(rows_of(batch.items, register, batch=number))
        except InvalidArgumentError as error:
            rows_of_batches.append(error)
    rows = [row for those in rows_of_batches if isinstance(those, list) for row in those]
    appended = Appended(0, None)
    if rows:
        await ledger.prepare(connection)
        await ledger.fill(connection, rows, tuple(register.meta))
        appended = await ledger.append(connection, store_id, register_id, expected=len(rows))
        if appended.keys is not None:
            await require_no_contradiction(connection, store_id, register_id)
        await ledger.announce(
            connection,
            store_id,
            register_id,
            inserted=appended.inserted,
            traceparent=batches[0].traceparent,
        )
    new = None if appended.keys is None else set(appended.keys)
    return [
        those if isinstance(those, InvalidArgumentError) else recorded_of(those, new)
        for those in rows_of_batches
    ]


def require_writable(register: Register | None) -> Register:
    """The register that was found, if producers may write to it."""
    if register is None:
        raise NotFoundError("Invalid register_id")
    if register.is_sales:
        # Reports promise that this ledger agrees with the transactions to the cent.
        raise InvalidArgumentError(
            "a store's sales register is written by its transactions only: post those instead"
        )
    return register


async def require_no_contradiction(connection: Connection, store_id: int, register_id: int) -> None:
    """Raises `ConflictError` naming index and key, if a row that was brought contradicts."""
    found = await ledger.contradictions(connection, store_id, register_id)
    if found:
        raise ConflictError(
            f"the unique_key {found[0].unique_key!r} is taken by an item with other content",
            details=tuple(
                FailureDetail(
                    index=each.ordinal,
                    field="unique_key",
                    reason=f"{each.unique_key!r} is taken by an item with other content",
                )
                for each in found
                if each.batch == found[0].batch
            ),
        )


def rows_of(items: Sequence[Item], register: Register, *, batch: int) -> list[Row]:
    """The items by physical column. Raises `InvalidArgumentError` naming every unknown label."""
    positions = {label: position for position, label in enumerate(register.meta.values())}
    unknown = list(_unknown_labels(items, positions))
    if unknown:
        raise InvalidArgumentError(
            f"item {unknown[0].index}: {unknown[0].field} {unknown[0].reason}",
            details=tuple(unknown[:DETAILS_MAX]),
        )
    empty: list[str | None] = [None] * len(positions)
    rows: list[Row] = []
    for ordinal, item in enumerate(items):
        values = empty.copy()
        for label, value in item.meta.items():
            values[positions[label]] = value or None
        rows.append(
            (
                batch,
                ordinal,
                item.unique_key,
                str(item.amount),
                item.originated_at,
                item.description,
                register.units if item.units is None else item.units,
                *values,
            )
        )
    return rows


def _unknown_labels(items: Sequence[Item], positions: dict[str, int]) -> Iterator[FailureDetail]:
    known = positions.keys()
    for index, item in enumerate(items):
        if not item.meta.keys() <= known:
            for label in item.meta:
                if label not in known:
                    yield FailureDetail(
                        index=index,
                        field=f"meta.{label}",
                        reason="is not a meta-column of the register",
                    )


def recorded_of(rows: Sequence[Row], new: set[str] | None) -> Recorded:
    """What became of a batch. `new` holds the keys that were inserted and that no earlier row has
    claimed; None means all."""
    if new is None:
        return Recorded(inserted=len(rows))
    inserted = 0
    for row in rows:
        key = str(row[2])
        if key in new:
            new.remove(key)
            inserted += 1
    return Recorded(inserted=inserted, duplicates=len(rows) - inserted)
