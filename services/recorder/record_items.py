"""`record.items.v1` and `record.columns.v1`: append a batch to a register, all of it or nothing.

Comes in: `RecordItems`, or the same by column. Goes out: `Recorded`, after the commit. Batches for
the same register that wait at the same time are committed together, and are judged as if each had
come alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import asyncpg

from services.recorder import ledger
from services.recorder.item_rows import ItemRows, rows_of
from services.recorder.lanes import Lanes
from services.recorder.writing import write
from shared.contracts.item_columns import ItemBatch
from shared.contracts.record_columns import RecordColumns
from shared.contracts.recording import Recorded, RecordItems
from shared.database.pool import Connection, Database
from shared.database.registers import Register, lock_register
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError, TallyportError

Batch = ItemBatch | RecordColumns
Outcome = Recorded | TallyportError


class ItemRecorder:
    """One for the process: it knows which batches wait together."""

    def __init__(self, database: Database, *, group_items_max: int) -> None:
        self._database = database
        self._lanes: Lanes[tuple[int, int], Batch, Recorded] = Lanes(
            self._write, size=lambda batch: len(batch.items), size_max=group_items_max
        )

    async def record(self, message: ItemBatch | RecordColumns | RecordItems) -> Recorded:
        """Raises `NotFoundError`, `InvalidArgumentError` (labels), `ConflictError` (a key that
        stands for something else); then nothing of the batch was written."""
        batch = ItemBatch.of(message) if isinstance(message, RecordItems) else message
        return await self._lanes.put((batch.store_id, batch.register_id), batch)

    async def close(self) -> None:
        await self._lanes.close()

    async def _write(self, key: tuple[int, int], batches: Sequence[Batch]) -> Sequence[Outcome]:
        try:
            return await self._committed(key, batches)
        except TallyportError as error:
            if not isinstance(error, ConflictError) or len(batches) == 1:
                return [error] * len(batches)
        # One of them contradicts the ledger, or the others. Rare: each gets its own transaction.
        return [outcome for batch in batches for outcome in await self._write(key, [batch])]

    async def _committed(self, key: tuple[int, int], batches: Sequence[Batch]) -> list[Outcome]:
        try:
            return await write(
                self._database, key[0], lambda link: write_batches(link, *key, batches)
            )
        except asyncpg.UniqueViolationError:
            return await write(
                self._database,
                key[0],
                lambda link: write_batches(link, *key, batches, all_new=False),
            )


async def write_batches(
    connection: Connection,
    store_id: int,
    register_id: int,
    batches: Sequence[Batch],
    *,
    all_new: bool = True,
) -> list[Outcome]:
    """Append all batches in the caller's transaction; an outcome for each. With `all_new` a key
    that is known is an `asyncpg.UniqueViolationError`: to be done again without.

    A batch whose items are not valid is left out and has its error as outcome. `ConflictError` is
    raised, because what it is about is already written: the caller rolls back.
    """
    try:
        register = require_writable(await lock_register(connection, store_id, register_id))
    except TallyportError as error:
        return [error] * len(batches)
    outcomes: list[Outcome] = []
    valid: list[ItemRows] = []
    for batch in batches:
        try:
            valid.append(rows_of(batch.items, register))
        except InvalidArgumentError as error:
            outcomes.append(error)
        else:
            outcomes.append(Recorded(inserted=len(batch.items)))
    if not valid:
        return outcomes
    new: Counter[int] | None = None
    if all_new:
        await ledger.append(connection, register, valid)
    else:
        new = await ledger.append_new(connection, register, valid)
    await ledger.announce(
        connection,
        store_id,
        register_id,
        inserted=sum(map(len, valid)) if new is None else new.total(),
        traceparent=batches[0].traceparent,
    )
    return outcomes if new is None else _with_duplicates(outcomes, new)


def _with_duplicates(outcomes: Sequence[Outcome], new: Mapping[int, int]) -> list[Outcome]:
    """The outcomes again, knowing how many of each valid batch were inserted."""
    counts = iter(range(len(outcomes)))
    return [
        _split(outcome, new.get(next(counts), 0)) if isinstance(outcome, Recorded) else outcome
        for outcome in outcomes
    ]


def _split(recorded: Recorded, inserted: int) -> Recorded:
    return Recorded(inserted=inserted, duplicates=recorded.inserted - inserted)


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
