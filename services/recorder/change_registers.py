"""`register.create.v1` and `register.update.v1`: the definitions of ledgers.

Comes in: the command. Goes out: `RegisterSaved`, after the commit.
"""

from __future__ import annotations

from services.recorder.writing import write
from shared.contracts.recording import RegisterCreate, RegisterSaved, RegisterUpdate
from shared.database import registers
from shared.database.pool import Connection, Database


async def create_register(
    database: Database, message: RegisterCreate, *, redelivered: bool = False
) -> RegisterSaved:
    """Raises `NotFoundError` for an unknown store. A message that the broker delivers again does
    not make a second register, if the first is there and still unused."""
    new = message.definition
    definition = {"name": new.name, "units": new.units}

    async def work(connection: Connection) -> RegisterSaved:
        register = None
        if redelivered:
            register = await registers.find_unwritten_twin(
                connection, message.store_id, **definition, meta=new.meta
            )
        if register is None:
            register = await registers.insert_register(
                connection, message.store_id, **definition, meta=new.meta
            )
        return RegisterSaved(register_id=register.register_id)

    return await write(database, message.store_id, work)


async def update_register(database: Database, message: RegisterUpdate) -> RegisterSaved:
    """Raises `NotFoundError`, `ConflictError` (a label in use), `InvalidArgumentError`."""
    change = message.change

    async def work(connection: Connection) -> RegisterSaved:
        register = await registers.update_register(
            connection,
            message.store_id,
            message.register_id,
            name=change.name,
            units=change.units,
            labels=change.meta,
        )
        return RegisterSaved(register_id=register.register_id)

    return await write(database, message.store_id, work)
