"""`tallyport register`: ledgers, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.command import Answer
from cli.outcomes import RefusedError
from cli.service_command import service_command
from cli.tables import table
from tallyport_client import AsyncClient
from tallyport_client.exact import from_json, to_json

COLUMNS = ("id", "name", "units", "labels", "sales", "version")

app = typer.Typer(help="Ledgers: what items are posted to.", no_args_is_help=True)


@service_command(app, "create")
async def create(
    tallyport: AsyncClient,
    *,
    name: Annotated[str, typer.Option("--name")],
    label: Annotated[
        list[str] | None, typer.Option("--label", help="A meta column; again for each, up to ten.")
    ] = None,
    units: Annotated[str, typer.Option("--units", help="Of the amounts: GBP, kg.")] = "",
) -> Answer:
    """Create a register."""
    content = to_json({"name": name, "units": units, "meta": label or []})
    return _one((await tallyport.request("POST", "/registers", content=content)).body)


@service_command(app, "list")
async def list_(tallyport: AsyncClient) -> Answer:
    """Show the store's registers."""
    found = await every(tallyport)
    return Answer({"registers": found}, table("Registers", COLUMNS, map(_row, found)))


@service_command(app, "get")
async def get(
    tallyport: AsyncClient,
    *,
    register_id: Annotated[int, typer.Argument(min=1)],
) -> Answer:
    """Show a register."""
    return _one((await tallyport.request("GET", f"/registers/{register_id}")).body)


async def every(tallyport: AsyncClient) -> list[dict[str, Any]]:
    """All registers of the store."""
    return [dict(register.data) async for register in tallyport.registers.list()]


async def sales_register(tallyport: AsyncClient) -> int:
    """The id of the register that transactions are posted to. Raises `RefusedError` before the
    first transaction, for there is none yet."""
    async for register in tallyport.registers.list():
        if register.is_sales:
            return register.id
    raise RefusedError("the store has no sales register yet: no transaction was recorded")


def _one(body: bytes) -> Answer:
    register = from_json(body)
    return Answer(body, table("Register", COLUMNS, [_row(register)]))


def _row(register: dict[str, Any]) -> list[object]:
    labels = ", ".join(register["meta"].values())
    sales = "yes" if register["is_sales"] else ""
    shown = (register[name] for name in ("id", "name", "units"))
    return [*shown, labels, sales, register["version"]]
