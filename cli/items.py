"""`tallyport items`: how many, how much, and which.

Comes in: a register and a range. Goes out: the service's numbers, digit by digit.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from cli.command import Answer
from cli.outcomes import UsageError
from cli.ranges import first_instant, last_instant
from cli.service_command import service_command
from cli.tables import table
from tallyport_client import AsyncClient
from tallyport_client.exact import from_json, to_json

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
        tallyport: AsyncClient,
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
        body = await measure(tallyport, name, arguments)
        return Answer(body, grouped_table(from_json(body), by or []))

    run.__doc__ = told
    service_command(app, name)(run)


_measure("count", "How many items there are.")
_measure("sum", "The sum of their amounts.")
_measure("average", "The average of their amounts.")


@service_command(app, "query")
async def query(
    tallyport: AsyncClient,
    *,
    register: Register,
    start: Start,
    end: End,
    measures: Annotated[
        list[str] | None,
        typer.Option("--measure", help="count, sum, average, min or max; again for each."),
    ] = None,
    period: Period = None,
    timezone: Timezone = None,
    by: By = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="label=value or label!=value; again for each, all must hold."),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", min=1, help="Only the groups with most of the first measure."),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Beside the range directly before.")
    ] = False,
) -> Answer:
    """Several measures at once: count and sum, unless others are named."""
    asked = measures or ["count", "sum"]
    arguments = {
        "register_id": register,
        "start_at": first_instant(start, timezone),
        "end_at": last_instant(end, timezone),
        "group_by_period": period,
        "timezone": timezone,
        "group_by": by,
        "measures": asked,
        "filter": {"and": [_condition(one) for one in where]} if where else None,
        "order": {"measure": asked[0]} if top else None,
        "limit": top,
        "compare": "previous_period" if compare else None,
    }
    body = await ask(tallyport, "query", arguments)
    return Answer(body, analysis_table(from_json(body), by or []))


@service_command(app, "list")
async def list_(
    tallyport: AsyncClient,
    *,
    register: Register,
    start: Annotated[
        str | None,
        typer.Option("--from", help="A day or an instant; all from the first on, if left out."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="The same; a day means its last instant.")
    ] = None,
    timezone: Timezone = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            help="label=value; again for each label. The same label again: one of its values.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000)] = 100,
    after: Annotated[
        str | None, typer.Option("--after", help="The `next` of the page before.")
    ] = None,
) -> Answer:
    """The items themselves, a page at a time."""
    params = [("limit", str(limit))]
    if start is not None:
        params.append(("start_at", first_instant(start, timezone)))
    if end is not None:
        params.append(("end_at", last_instant(end, timezone)))
    if after is not None:
        params.append(("after", after))
    params += map(_wanted, where or [])
    reply = await tallyport.request("GET", f"/registers/{register}/items", params=params)
    return Answer(reply.body, items_table(reply.json()))


def _wanted(text: str) -> tuple[str, str]:
    label, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"{text} is not label=value")
    return f"meta[{label}]", value


def _condition(text: str) -> dict[str, str]:
    """`label=value` or `label!=value`; nothing behind the sign means a missing value."""
    label, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"{text} is neither label=value nor label!=value")
    if label.endswith("!"):
        return {"label": label[:-1], "not": value}
    return {"label": label, "eq": value}


async def measure(tallyport: AsyncClient, name: str, arguments: dict[str, Any]) -> bytes:
    """The answer to `POST /reports/item_{name}`, as it came."""
    return await ask(tallyport, f"item_{name}", arguments)


async def ask(tallyport: AsyncClient, name: str, arguments: dict[str, Any]) -> bytes:
    """The answer to a question, as it came: `--json` shows just these bytes."""
    content = to_json(arguments)
    reply = await tallyport.request("POST", f"/reports/{name}", content=content, repeatable=True)
    return reply.body


def grouped_table(answer: dict[str, Any], labels: list[str]) -> Table:
    """One row a period and group, in the order of the service."""
    columns = ["period", *(labels or ["group"]), "value"]
    rows = []
    for row in answer["count"]:
        group = row["group"] if isinstance(row["group"], list) else [row["group"]]
        rows.append([row["period"], *group, row["value"]])
    return table(answer["title"], columns, rows)


def items_table(page: dict[str, Any]) -> Table:
    """A row an item; the title says how to go on."""
    items = page["items"]
    labels = list(items[0]["meta"]) if items else []
    fields = ("originated_at", "unique_key", "description", "amount", "units")
    rows = [
        [*(item[f] for f in fields), *(item["meta"][each] for each in labels)] for item in items
    ]
    title = f"Items (more: --after {page['next']})" if page["next"] else "Items"
    return table(title, [*fields, *labels], rows)


def analysis_table(answer: dict[str, Any], labels: list[str]) -> Table:
    """One row a period and group, a column a measure; what was gathered bears no value's name."""
    measures = answer["measures"]
    is_compared = "compared_with" in answer
    before = [f"previous {name}" for name in measures] if is_compared else []
    rows = []
    for row in answer["rows"]:
        group = row["group"] if isinstance(row["group"], list) else [row["group"]]
        if row.get("other"):
            group = ["(others)"] * len(group)
        numbers = [
            row[key][name] for key in ("values", "previous") if key in row for name in measures
        ]
        rows.append([row["period"], *group, *numbers])
    return table(answer["title"], ["period", *(labels or ["group"]), *measures, *before], rows)
