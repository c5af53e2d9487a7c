"""`tallyport items`: how many, how much, and which.

Comes in: a register and a range. Goes out: the service's numbers, digit by digit.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from cli.api import Api
from cli.command import Answer
from cli.json_text import parse
from cli.ranges import first_instant, last_instant
from cli.service_command import service_command
from cli.tables import table

app = typer.Typer(help="What is in a register.", no_args_is_help=True)

Register = Annotated[int, typer.Option("--register", min=1, help="The register's id.")]
Start = Annotated[
    str, typer.Option("--from", help="A day, or YYYY-MM-DDTHH:MM:SS, with an offset or not.")
]
End = Annotated[str, typer.Option("--to", help="The same; a day means its last instant.")]
Period = Annotated[str | None, typer.Option("--period", help="day, week, month, quarter or year.")]
Timezone = Annotated[
    str | None, typer.Option("--timezone", help="Of the days, and of times without an offset.")
]
By = Annotated[list[str] | None, typer.Option("--by", help="A label; again for each.")]


def _measure(name: str, told: str) -> None:
    """Add the command for one of the three measures; they differ in nothing else."""

    async def run(
        api: Api,
        *,
        register: Register,
        start: Start,
        end: End,
        period: Period = None,
        timezone: Timezone = None,
        by: By = None,
    ) -> Answer:
        arguments = {
            "register_id": register,
            "start_at": first_instant(start, timezone),
            "end_at": last_instant(end, timezone),
            "group_by_period": period,
            "timezone": timezone,
            "group_by": by,
        }
        body = await measure(api, name, arguments)
        return Answer(body, grouped_table(parse(body), by or []))

    run.__doc__ = told
    service_command(app, name)(run)


_measure("count", "How many items there are.")
_measure("sum", "The sum of their amounts.")
_measure("average", "The average of their amounts.")


async def measure(api: Api, name: str, arguments: dict[str, Any]) -> bytes:
    """The answer to `POST /reports/item_{name}`, as it came."""
    return await api.call("POST", f"/reports/item_{name}", json=arguments, repeatable=True)


def grouped_table(answer: dict[str, Any], labels: list[str]) -> Table:
    """One row a period and group, in the order of the service."""
    columns = ["period", *(labels or ["group"]), "value"]
    rows = []
    for row in answer["count"]:
        group = row["group"] if isinstance(row["group"], list) else [row["group"]]
        rows.append([row["period"], *group, row["value"]])
    return table(answer["title"], columns, rows)
