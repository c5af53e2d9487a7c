"""`tallyport register`: ledgers, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.api import Api
from cli.command import Answer
from cli.json_text import parse
from cli.outcomes import RefusedError
from cli.service_command import service_command
from cli.tables import table

PAGE = 300
COLUMNS = ("id", "name", "units", "labels", "sales", "version")

app = typer.Typer(help="Ledgers: what items are posted to.", no_args_is_help=True)


@service_command(app, "create")
async def create(
    api: Api,
    *,
    name: Annotated[str, typer.Option("--name")],
    label: Annotated[
        list[str] | None, typer.Option("--label", help="A meta column; again for each, up to ten.")
    ] = None,
    units: Annotated[str, typer.Option("--units", help="Of the amounts: GBP, kg.")] = "",
) -> Answer:
    """Create a register."""
    body = await api.call(
        "POST", "/registers", json={"name": name, "units": units, "meta": label or []}
    )
    return _one(body)


@service_command(app, "list")
async def list_(api: Api) -> Answer:
    """Show the store's registers."""
    found = await every(api)
    return Answer({"registers": found}, table("Registers", COLUMNS, map(_row, found)))


@service_command(app, "get")
async def get(
    api: Api,
    *,
    register_id: Annotated[int, typer.Argument(min=1)],
) -> Answer:
    """Show a register."""
    return _one(await api.call("GET", f"/registers/{register_id}"))


async def every(api: Api) -> list[dict[str, Any]]:
    """All registers of the store, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        params = {"limit": str(PAGE), "offset": str(len(found))}
        page = (await api.parsed("GET", "/registers", params=params))["registers"]
        found.extend(page)
        if len(page) < PAGE:
            return found


async def sales_register(api: Api) -> int:
    """The id of the register that transactions are posted to. Raises `RefusedError` before the
    first transaction, for there is none yet."""
    for register in await every(api):
        if register["is_sales"]:
            return int(register["id"])
    raise RefusedError("the store has no sales register yet: no transaction was recorded")


def _one(body: bytes) -> Answer:
    register = parse(body)
    return Answer(body, table("Register", COLUMNS, [_row(register)]))


def _row(register: dict[str, Any]) -> list[object]:
    labels = ", ".join(register["meta"].values())
    sales = "yes" if register["is_sales"] else ""
    shown = (register[name] for name in ("id", "name", "units"))
    return [*shown, labels, sales, register["version"]]
