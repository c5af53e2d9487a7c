"""`tallyport report`: ask for a report, wait for it, fetch it.

Comes in: a name and a range of the store's wall clock. Goes out: the report's resource, and its
file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from cli.command import Answer
from cli.outcomes import BadFileError, RefusedError, TimedOutError
from cli.progress import bytes_bar, steps_bar
from cli.ranges import first_second, last_second
from cli.service_command import Quiet, service_command
from cli.tables import table
from tallyport_client import AsyncClient, Downloaded, Report
from tallyport_client import TimedOutError as StillQueuedError

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
    tallyport: AsyncClient,
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
    report = await tallyport.reports.create(
        name,
        first_second(start),
        last_second(end),
        format=format_,
        compress=compress,
        idempotency_key=key or None,
    )
    if wait or target is not None:
        report = await wait_until_ready(tallyport, report, timeout, quiet=quiet)
    saved = None if target is None else await save(tallyport, report, target, quiet=quiet)
    return _one(report, saved)


@service_command(app, "list")
async def list_(
    tallyport: AsyncClient,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=300)] = 20,
    offset: Annotated[int, typer.Option("--offset", min=0)] = 0,
) -> Answer:
    """Show the store's reports, the newest first."""
    params = {"limit": str(limit), "offset": str(offset), "order": "date_created desc"}
    reply = await tallyport.request("GET", "/reports", params=params)
    page = reply.json()
    found = page["_embedded"]["fx:reports"]
    title = f"Reports {offset + 1} to {offset + len(found)} of {page['total_items']}"
    return Answer(reply.body, table(title if found else "No reports", COLUMNS, map(_row, found)))


@service_command(app, "get")
async def get(
    tallyport: AsyncClient,
    *,
    id_: ReportId,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is ready.")] = False,
    target: Target = None,
    timeout: Timeout = 600.0,
    quiet: Quiet = False,
) -> Answer:
    """Show a report; with --download, fetch its file."""
    report = await tallyport.reports.get(id_)
    if wait or target is not None:
        report = await wait_until_ready(tallyport, report, timeout, quiet=quiet)
    saved = None if target is None else await save(tallyport, report, target, quiet=quiet)
    return _one(report, saved)


@service_command(app, "delete")
async def delete(
    tallyport: AsyncClient,
    *,
    id_: ReportId,
) -> Answer:
    """Remove a report and its file; cancel it while it is being built."""
    await tallyport.reports.cancel(id_)
    return Answer({"id": id_, "deleted": True}, f"report {id_} is removed")


async def wait_until_ready(
    tallyport: AsyncClient, report: Report, seconds: float, *, quiet: bool
) -> Report:
    """The report once it is ready. Raises `TimedOutError` when it takes longer; it is built all the
    same."""
    with steps_bar(f"report {report.id}", 100, quiet=quiet) as bar:

        def show(now: Report) -> None:
            progress = now.progress
            title = f"report {now.id}: {progress.stage}, {progress.rows_written} rows"
            bar.show(title, progress.percent or 0, 100)

        try:
            return await tallyport.reports.wait(report, seconds, on_progress=show)
        except StillQueuedError as error:
            raise TimedOutError(
                f"{error}; it goes on: `tallyport report get {report.id} --wait`"
            ) from None


async def save(tallyport: AsyncClient, report: Report, target: Path, *, quiet: bool) -> Downloaded:
    """The report's file, checked, at `target`."""
    if report.download is None:
        raise RefusedError(f"report {report.id} has no file")
    with bytes_bar(report.download.name, report.download.bytes, quiet=quiet) as bar:
        try:
            return await tallyport.reports.download(report, target, advance=bar.advance)
        except OSError as error:
            reason = error.strerror or error
            raise BadFileError(f"{target} cannot be written: {reason}") from None


def _one(report: Report, saved: Downloaded | None) -> Answer:
    shown = table("Report", COLUMNS, [_row(report.data)])
    if saved is None:
        return Answer(report.data, shown)
    file = {"path": str(saved.path), "bytes": saved.bytes, "sha256": saved.sha256}
    told = f"saved {saved.path}: {saved.bytes} bytes, SHA-256 {saved.sha256} as promised"
    return Answer({**report.data, "saved": file}, Group(shown, told))


def _row(report: Mapping[str, Any]) -> list[object]:
    files = report.get("files")
    return [
        int(str(report["_links"]["self"]["href"]).rpartition("/")[2]),
        report["name"],
        report["datetime_start"],
        report["datetime_end"],
        report["status"],
        report["progress"]["percent"],
        sum(file["rows"] for file in files) if files else None,
        (report.get("download") or {}).get("bytes"),
    ]
