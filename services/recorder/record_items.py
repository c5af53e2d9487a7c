"""`record.items.v1`: append a batch to a register, all of it or nothing.

Comes in: `RecordItems`. Goes out: `Recorded`, after the commit. Batches for the same register
that wait at the same time are committed together, and are judged as if each had come alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from services.recorder import ledger
from services.recorder.lanes import Lanes
from services.recorder.ledger import Row
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
    outcomes: list[Outcome] = []
    rows: list[Row] = []
    for number, batch in enumerate(batches):
        try:
            rows += rows_of(batch.items, register, batch=number)
        except InvalidArgumentError as error:
            outcomes.append(error)
        else:
            outcomes.append(Recorded(inserted=len(batch.items)))
    if not rows:
        return outcomes
    await ledger.prepare(connection)
    await ledger.fill(connection, rows, tuple(register.meta))
    new = await ledger.append(connection, store_id, register_id)
    await ledger.announce(
        connection,
        store_id,
        register_id,
        inserted=len(rows) if new is None else new.total(),
        traceparent=batches[0].traceparent,
    )
    return outcomes if new is None else _with_duplicates(outcomes, new)


def _with_duplicates(outcomes: Sequence[Outcome], new: Mapping[int, int]) -> list[Outcome]:
    """The outcomes again, knowing how many of each batch were inserted."""
    return [
        Recorded(inserted=new.get(number, 0), duplicates=outcome.inserted - new.get(number, 0))
        if isinstance(outcome, Recorded)
        else outcome
        for number, outcome in enumerate(outcomes)
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
