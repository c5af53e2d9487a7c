"""`record.void.v1`: take an item back by adding its reverse.

Comes in: `VoidItem`. Goes out: `Recorded`, after the commit. The reverse is an item like any
other: voiding it in turn adds its own reverse, which brings the first one back.
"""

from __future__ import annotations

from services.recorder import ledger
from services.recorder.record_items import require_writable
from services.recorder.writing import write
from shared.contracts.recording import Recorded, VoidItem
from shared.database.pool import Connection, Database
from shared.database.registers import lock_register
from shared.errors import NotFoundError


async def void_item(database: Database, message: VoidItem) -> Recorded:
    """Voiding twice is a duplicate. Raises `NotFoundError` for an unknown register or key, and
    `ConflictError` if the reverse's key stands for something else."""

    async def work(connection: Connection) -> Recorded:
        store_id, register_id = message.store_id, message.register_id
        register = require_writable(await lock_register(connection, store_id, register_id))
        await ledger.prepare(connection)
        if not await ledger.take_reversals(connection, store_id, register_id, [message.unique_key]):
            raise NotFoundError(f"no item has the unique_key {message.unique_key!r}")
        if await ledger.append_staged(connection, register) is not None:
            return Recorded(duplicates=1)
        await ledger.announce(
            connection,
            store_id,
            register_id,
            inserted=1,
            traceparent=message.traceparent,
        )
        return Recorded(inserted=1)

    return await write(database, message.store_id, work)
