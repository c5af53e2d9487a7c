"""`make demo`: everything once, on real engines and real data, and checked.

In: a run folder, the sample. Out: a running stack with the sample in it, a report in `downloads/`,
three tables, and exit code 0 when all numbers are those of a second computation from the CSV.
Running it again finds everything there already, and the same numbers.
"""

from __future__ import annotations

import asyncio
import csv
import json
import time
from pathlib import Path

from rich.console import Console

from cli import reports
from cli.imports import import_invoices
from cli.outcomes import CommandError
from cli.registers import sales_register
from devstack import demo_account, demo_numbers, environment, second_opinion
from devstack.demo_account import DemoAccount
from devstack.errors import EngineError
from devstack.second_opinion import Opinion
from devstack.stack import RunningStack, start_stack
from tallyport_client import AsyncClient, ClientError, Report

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "online_retail_sample.csv.gz"
REPORT_SECONDS = 120.0


def demo(run_dir: Path) -> int:
    """Run it; the stack stays up. Raises EngineError when the system refuses something."""
    console = Console()
    began = time.monotonic()
    console.print("Starting PostgreSQL, RabbitMQ, an S3 store and four services ...")
    stack = start_stack(run_dir)
    console.print(f"  ready in {time.monotonic() - began:.1f} s")
    try:
        wrong = asyncio.run(show(stack, console))
    except (CommandError, ClientError) as error:
        raise EngineError(f"the demo failed: {error}\nlogs: {stack.run_dir / 'logs'}") from None
    return 1 if wrong else 0


async def show(stack: RunningStack, console: Console) -> list[str]:
    """All steps. Returns what is wrong, in words; nothing, one hopes."""
    account = await demo_account.obtain(stack)
    async with AsyncClient(stack.url, account.token) as tallyport:
        began = time.monotonic()
        console.print(f"Importing {SAMPLE.name}: invoices of a wholesaler, in no order ...")
        for kind, counts in (await import_invoices(tallyport, SAMPLE, quiet=False)).items():
            told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
            console.print(f"  {kind}: {told}", highlight=False)
        console.print(f"  done in {time.monotonic() - began:.1f} s")
        opinion = second_opinion.compute(SAMPLE)
        console.print("Asking for a report of all customers ...")
        wrong = await _report(tallyport, stack, opinion, console)
        console.print("Asking for numbers ...")
        register_id = await sales_register(tallyport)
        numbers = await demo_numbers.ask(tallyport, register_id)
    for table in demo_numbers.tables(numbers, opinion):
        console.print(table)
    wrong += demo_numbers.disagreements(numbers, opinion)
    _conclude(console, wrong, len(opinion.averages))
    _say_where(console, stack, account, register_id)
    return wrong


async def _report(
    tallyport: AsyncClient, stack: RunningStack, opinion: Opinion, console: Console
) -> list[str]:
    report = await tallyport.reports.create(
        "customers",
        f"{demo_numbers.FIRST_DAY} 00:00:00",
        f"{demo_numbers.LAST_DAY} 23:59:59",
    )
    report = await reports.wait_until_ready(tallyport, report, REPORT_SECONDS, quiet=False)
    folder = stack.run_dir / "downloads"
    folder.mkdir(exist_ok=True)
    saved = await reports.save(tallyport, report, folder, quiet=False)
    console.print(f"  {saved.path}", soft_wrap=True, highlight=False)
    console.print(f"  {saved.bytes:,} bytes, SHA-256 as promised: {saved.sha256}", soft_wrap=True)
    assert saved.path is not None  # noqa: S101 - it was saved to a folder
    return _check_rows(report, saved.path, opinion)


def _check_rows(report: Report, saved: Path, opinion: Opinion) -> list[str]:
    told = sum(file.rows or 0 for file in report.files)
    with saved.open(encoding="utf-8", newline="") as file:
        there = sum(1 for _ in csv.reader(file)) - 1
    if told == there == opinion.customers:
        return []
    return [f"customers: {told} told, {there} in the file, not {opinion.customers}"]


def _conclude(console: Console, wrong: list[str], averages: int) -> None:
    if not wrong:
        console.print(
            "[green]All of it agrees with a second computation straight from the CSV[/green]: the "
            f"count, 13 sums to the penny, {averages} averages, the customers."
        )
        return
    console.print("[red]These disagree with a second computation straight from the CSV:[/red]")
    for line in wrong:
        console.print(f"  {line}", markup=False, soft_wrap=True)


def _say_where(
    console: Console, stack: RunningStack, account: DemoAccount, register_id: int
) -> None:
    body = json.dumps({**demo_numbers.question(register_id), "group_by_period": "month"})
    authorization = f"Authorization: Bearer {account.token}"
    json_type = "Content-Type: application/json"
    lines = [
        f"page     {stack.url}   (in a browser, with the token)",
        f"API      {stack.url}",
        f"token    {account.token}",
        f"logs     {stack.run_dir / 'logs'}   (make logs)",
        f"shell    . {environment.write(stack)}   (sets what commands ask for)",
        "stop     make down",
        "",
        f"curl -sS {stack.url}/reports/item_sum -H '{authorization}' -H '{json_type}' -d '{body}'",
    ]
    for line in lines:
        # Not wrapped and not coloured: to be copied.
        console.print(line, markup=False, highlight=False, soft_wrap=True)
