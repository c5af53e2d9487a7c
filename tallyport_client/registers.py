"""Registers, and what they can be grouped by.

Comes in: names, labels, ids. Goes out: `Register`, `Dimension` and its values.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tallyport_client.exact import to_json
from tallyport_client.models import Dimension, DimensionValue, Register
from tallyport_client.transport import Transport

PAGE = 300
VALUES_PAGE = 1_000


class AsyncRegisters:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self, name: str, *, units: str = "", meta: Sequence[str] | Mapping[str, str] = ()
    ) -> Register:
        """`meta`: labels, which take the columns in order, or a map of columns to labels. Never
        sent twice: a second register of this name would be another."""
        labels: Any = dict(meta) if isinstance(meta, Mapping) else list(meta)
        content = to_json({"name": name, "units": units, "meta": labels})
        return Register.of(
            (await self._transport.call("POST", "/registers", content=content)).json()
        )

    async def get(self, register_id: int) -> Register:
        return Register.of((await self._transport.call("GET", f"/registers/{register_id}")).json())

    async def update(
        self,
        register_id: int,
        *,
        name: str | None = None,
        units: str | None = None,
        meta: Sequence[str] | Mapping[str, str] | None = None,
    ) -> Register:
        """A new name, units for items to come, further labels."""
        labels: Any = dict(meta) if isinstance(meta, Mapping) else meta and list(meta)
        change = {"name": name, "units": units, "meta": labels}
        content = to_json({key: value for key, value in change.items() if value is not None})
        path = f"/registers/{register_id}"
        return Register.of((await self._transport.call("PATCH", path, content=content)).json())

    async def list(self) -> AsyncIterator[Register]:
        """The store's registers, oldest first. This collection has no links: it is short."""
        offset = 0
        while True:
            params = {"limit": str(PAGE), "offset": str(offset)}
            page = (await self._transport.call("GET", "/registers", params=params)).json()
            for register in page["registers"]:
                yield Register.of(register)
            if len(page["registers"]) < PAGE:
                return
            offset += PAGE

    async def dimensions(self, register_id: int) -> tuple[Dimension, ...]:
        """Its labels, in the order of their columns."""
        reply = await self._transport.call("GET", f"/registers/{register_id}/dimensions")
        return tuple(
            Dimension(
                one["label"],
                one["column"],
                one["values"],
                one["items"],
                one["is_exact"],
                _moment(one["first_originated_at"]),
                _moment(one["last_originated_at"]),
            )
            for one in reply.json()["dimensions"]
        )

    async def values(
        self, register_id: int, label: str, *, prefix: str = ""
    ) -> AsyncIterator[DimensionValue]:
        """The values of a label, by code point, with their items."""
        path = f"/registers/{register_id}/dimensions/{quote(label, safe='')}"
        params = {"limit": str(VALUES_PAGE), "prefix": prefix}
        while True:
            page = (await self._transport.call("GET", path, params=params)).json()
            for one in page["values"]:
                yield DimensionValue(one["value"], one["items"])
            if page["next_after"] is None:
                return
            params["after"] = page["next_after"]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
