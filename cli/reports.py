"""`tallyport report`: ask for a report, wait for it, fetch it.

Comes in: a name and a range of the store's wall clock. Goes out: the report's resource, and its
file.
"""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from cli.api import Api
from cli.command import Answer
from cli.download import Downloaded, download, report_id
from cli.json_text import parse
from cli.outcomes import RefusedError, TimedOutError
from cli.progress import bytes_bar, steps_bar
from cli.ranges import first_second, last_second
from cli.service_command import Quiet, service_command
from cli.tables import table

POLL_SECONDS_MIN = 0.2
POLL_SECONDS_MAX = 2.0
COLUMNS = ("id", "name", "from", "to", "status", "percent", "rows", "bytes")

app = typer.Typer(help="Reports: files, built while you wait or not.", no_args_is_help=True)

ReportId = Annotated[int, typer.Argument(min=1)]
Timeout = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds to wait for the report.")
]
Target = Annotated[
    Path | None,
    typer.Option("--download", help="Wait, and save the file here: a name, or a folder."),
]


@service_command(app, "create")
async def create(
    api: Api,
    *,
    name: Annotated[str, typer.Argument(help="complete, customers or customers_ltv.")],
    start: Annotated[str, typer.Option("--from", help="YYYY-MM-DD HH:MM:SS, or a day.")],
    end: Annotated[str, typer.Option("--to", help="The same; a day means its last second.")],
    compress: Annotated[bool, typer.Option("--compress", help="Zip it whatever its size.")] = False,
    format_: Annotated[
        str | None, typer.Option("--format", help="csv, xlsx, jsonl or parquet.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is ready.")] = False,
    target: Target = None,
    timeout: Timeout = 600.0,
    key: Annotated[
        str, typer.Option("--idempotency-key", help="The same key gives the same report again.")
    ] = "",
    quiet: Quiet = False,
) -> Answer:
    """Ask for a report."""
    arguments = {
        "name": name,
        "datetime_start": first_second(start),
        "datetime_end": last_second(end),
        **({"compress": True} if compress else {}),
        **({"format": format_} if format_ else {}),
    }
    report = await ask(api, arguments, key=key)
    if wait or target is not None:
        report = await wait_until_ready(api, report, timeout, quiet=quiet)
    saved = None if target is None else await save(api, report, target, quiet=quiet)
    return _one(report, saved)


@service_command(app, "list")
async def list_(
    api: Api,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=300)] = 20,
    offset: Annotated[int, typer.Option("--offset", min=0)] = 0,
) -> Answer:
    """Show the store's reports, the newest first."""
    params = {"limit": str(limit), "offset": str(offset), "order": "date_created desc"}
    body = await api.call("GET", "/reports", params=params)
    page = parse(body)
    found = page["_embedded"]["fx:reports"]
    title = f"Reports {offset + 1} to {offset + len(found)} of {page['total_items']}"
    return Answer(body, table(title if found else "No reports", COLUMNS, map(_row, found)))


@service_command(app, "get")
async def get(
    api: Api,
    *,
    id_: ReportId,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is ready.")] = False,
    target: Target = None,
    timeout: Timeout = 600.0,
    quiet: Quiet = False,
) -> Answer:
    """Show a report; with --download, fetch its file."""
    report = await api.parsed("GET", f"/reports/{id_}")
    if wait or target is not None:
        report = await wait_until_ready(api, report, timeout, quiet=quiet)
    saved = None if target is None else await save(api, report, target, quiet=quiet)
    return _one(report, saved)


@service_command(app, "delete")
async def delete(
    api: Api,
    *,
    id_: ReportId,
) -> Answer:
    """Remove a report and its file; cancel it while it is being built."""
    # Not asked twice by itself: the second answer would be that there is no such report.
    await api.call("DELETE", f"/reports/{id_}", repeatable=False)
    return Answer({"id": id_, "deleted": True}, f"report {id_} is removed")


async def ask(api: Api, arguments: dict[str, Any], *, key: str = "") -> dict[str, Any]:
    """The resource of a new report. The key makes a repetition by a retry the same report."""
    headers = {"Idempotency-Key": key or str(uuid.uuid4())}
    resource: dict[str, Any] = await api.parsed(
        "POST", "/reports", json=arguments, headers=headers, repeatable=True
    )
    return resource


async def wait_until_ready(
    api: Api, report: dict[str, Any], seconds: float, *, quiet: bool
) -> dict[str, Any]:
    """The resource once it is ready. Raises `RefusedError` with the reason of a failure,
    `TimedOutError` when it takes longer; it is built all the same."""
    id_ = report_id(report)
    pause = POLL_SECONDS_MIN
    try:
        async with asyncio.timeout(seconds):
            with steps_bar(f"report {id_}", 100, quiet=quiet) as bar:
                while report["status"] == "queued":
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, POLL_SECONDS_MAX)
                    report = await api.parsed("GET", f"/reports/{id_}")
                    progress = report["progress"]
                    title = f"report {id_}: {progress['stage']}, {progress['rows_written']} rows"
                    bar.show(title, progress["percent"], 100)
    except TimeoutError:
        raise TimedOutError(
            f"report {id_} is not ready after {seconds:g} s; it goes on: "
            f"`tallyport report get {id_} --wait`"
        ) from None
    if report["status"] == "error":
        failure = report.get("failure") or {}
        raise RefusedError(f"report {id_} failed: {failure.get('message')} ({failure.get('code')})")
    return report


async def save(api: Api, report: dict[str, Any], target: Path, *, quiet: bool) -> Downloaded:
    """The report's file, checked, at `target`. Raises what `download` does."""
    if "download" not in report:
        raise RefusedError(f"report {report_id(report)} has no file")
    with bytes_bar(report["download"]["name"], report["download"]["bytes"], quiet=quiet) as bar:
        return await download(api, report, target, bar.advance)


def _one(report: dict[str, Any], saved: Downloaded | None) -> Answer:
    shown = table("Report", COLUMNS, [_row(report)])
    if saved is None:
        return Answer(report, shown)
    file = {"path": str(saved.path), "bytes": saved.bytes, "sha256": saved.sha256}
    told = f"saved {saved.path}: {saved.bytes} bytes, SHA-256 {saved.sha256} as promised"
    return Answer({**report, "saved": file}, Group(shown, told))


def _row(report: dict[str, Any]) -> list[object]:
    files = report.get("files")
    return [
        report_id(report),
        report["name"],
        report["datetime_start"],
        report["datetime_end"],
        report["status"],
        report["progress"]["percent"],
        sum(file["rows"] for file in files) if files else None,
        (report.get("download") or {}).get("bytes"),
    ]
