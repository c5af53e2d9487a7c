"""`/registers`: create, look at, change. Writing is the recorder's work, asked for over RPC."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from services.gateway import access, bodies
from services.gateway.dependencies import base_url, dependencies
from shared.contracts.recording import (
    NewRegister,
    RegisterChange,
    RegisterCreate,
    RegisterSaved,
    RegisterUpdate,
)
from shared.database import registers
from shared.database.accounts import Scope
from shared.database.registers import Register
from shared.errors import InvalidArgumentError, NotFoundError
from shared.messaging.codec import validate

PAGE_DEFAULT = 20
PAGE_MAX = 300
NUMBER_DIGITS_MAX = 18


async def create(request: web.Request) -> web.Response:
    """`POST /registers`: 201 with the register."""
    definition = validate(bodies.parse_object(await bodies.whole(request)), NewRegister)
    caller = await access.caller(request, Scope.WRITE)
    parts = dependencies(request)
    saved = await parts.rpc.ask(
        RegisterCreate(store_id=caller.store.store_id, definition=definition),
        RegisterSaved,
        deadline_seconds=parts.settings.gateway.record_seconds,
    )
    register = await find_register(request, caller, saved.register_id)
    return web.json_response(
        represent(register),
        status=201,
        headers={"Location": f"{base_url(request)}/registers/{register.register_id}"},
    )


async def update(request: web.Request) -> web.Response:
    """`PATCH /registers/{id}`: rename, add labels."""
    change = validate(bodies.parse_object(await bodies.whole(request)), RegisterChange)
    register_id = access.path_id(request)
    caller = await access.caller(request, Scope.WRITE, register_id=register_id)
    parts = dependencies(request)
    await find_register(request, caller, register_id)
    await parts.rpc.ask(
        RegisterUpdate(store_id=caller.store.store_id, register_id=register_id, change=change),
        RegisterSaved,
        deadline_seconds=parts.settings.gateway.record_seconds,
    )
    return web.json_response(represent(await find_register(request, caller, register_id)))


async def find(request: web.Request) -> web.Response:
    """`GET /registers/{id}`."""
    register_id = access.path_id(request)
    caller = await access.caller(request, Scope.READ, register_id=register_id)
    return web.json_response(represent(await find_register(request, caller, register_id)))


async def collection(request: web.Request) -> web.Response:
    """`GET /registers`: a page of the store's registers, oldest first."""
    caller = await access.caller(request, Scope.READ)
    limit = whole_number(request, "limit", PAGE_DEFAULT, most=PAGE_MAX)
    offset = whole_number(request, "offset", 0, most=2**31)
    async with dependencies(request).database.acquire(store_id=caller.store.store_id) as connection:
        found = await registers.list_registers(
            connection, caller.store.store_id, limit=limit, offset=offset
        )
    content = {
        "registers": [represent(register) for register in found],
        "limit": limit,
        "offset": offset,
    }
    return web.Response(body=orjson.dumps(content), content_type="application/json")


async def find_register(request: web.Request, caller: access.Caller, register_id: int) -> Register:
    """The caller's register. Raises `NotFoundError`."""
    async with dependencies(request).database.acquire(store_id=caller.store.store_id) as connection:
        register = await registers.find_register(connection, caller.store.store_id, register_id)
    if register is None:
        raise NotFoundError(f"there is no register {register_id}")
    return register


def represent(register: Register) -> dict[str, Any]:
    """A register as callers see it: `meta` maps physical columns to labels."""
    return {
        "id": register.register_id,
        "name": register.name,
        "units": register.units,
        "meta": dict(register.meta),
        "version": register.version,
        "is_sales": register.is_sales,
        "date_created": register.created_at.isoformat(),
        "date_modified": register.updated_at.isoformat(),
    }


def whole_number(
    request: web.Request, name: str, default: int, *, most: int, least: int = 0
) -> int:
    """A number in the query. Raises `InvalidArgumentError`."""
    value = request.query.get(name)
    if value is None:
        return default
    # Zeros in front count as well, or a long row of them would hide what is behind.
    is_short = value.isascii() and value.isdigit() and len(value) <= NUMBER_DIGITS_MAX
    if not is_short or not least <= int(value) <= most:
        bounds = f"from {least} to {most}" if least else f"up to {most}"
        raise InvalidArgumentError(f"{name} must be a whole number {bounds}")
    return int(value)
