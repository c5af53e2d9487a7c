"""`tallyport import`: a file goes in, of any size, as often as wanted.

Comes in: a path. Goes out: what was inserted, replaced, and there already. Importing the same
file again changes nothing, for ids and keys are those of the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from cli import source_file
from cli.api import Api, Stream
from cli.command import Answer
from cli.error_text import RECORDED
from cli.invoices import Invoices
from cli.online_retail import read_lines
from cli.outcomes import UsageError
from cli.progress import bytes_bar, steps_bar
from cli.service_command import Quiet, service_command
from cli.source_file import SourceFormat
from cli.tables import table
from shared.contracts.recording import Customer, Transaction

BATCH_RECORDS = 1_000
CONTENT_TYPES = {SourceFormat.CSV: "text/csv", SourceFormat.NDJSON: "application/x-ndjson"}

Counts = dict[str, int]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    service_command(app, "import")(import_)


async def import_(
    api: Api,
    *,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    register: Annotated[
        int | None, typer.Option("--register", min=1, help="Where items of csv and ndjson go.")
    ] = None,
    format_: Annotated[
        SourceFormat | None, typer.Option("--format", help="Found out when it is not given.")
    ] = None,
    quiet: Quiet = False,
) -> Answer:
    """Import invoices (online-retail) or the items of a register (csv, ndjson); gzip as well."""
    found = format_ or source_file.detect(file)
    if (found is SourceFormat.ONLINE_RETAIL) != (register is None):
        raise UsageError(
            "online-retail files go to the store's sales register: leave --register out"
            if register is not None
            else f"say which register the items of this {found} file go to: --register ID"
        )
    if register is None:
        recorded = await import_invoices(api, file, quiet=quiet)
    else:
        counts = await import_items(api, file, register, found, quiet=quiet)
        recorded = {"items": counts}
    rows = [[kind, *(counts.get(name) for name in RECORDED)] for kind, counts in recorded.items()]
    return Answer(recorded, table(f"Imported {file.name}", ("", *RECORDED), rows))


async def import_items(
    api: Api, path: Path, register_id: int, kind: SourceFormat, *, quiet: bool
) -> Counts:
    """Stream the file as it is; the service reads it while it comes."""
    with bytes_bar(path.name, source_file.size(path), quiet=quiet) as bar:

        async def chunks() -> AsyncIterator[bytes]:
            bar.show(path.name, 0, source_file.size(path))
            with source_file.opened(path, bar.advance) as source:
                while chunk := await asyncio.to_thread(source.read, source_file.CHUNK_BYTES):
                    yield chunk

        answer = await api.parsed(
            "POST",
            f"/registers/{register_id}/items",
            stream=Stream(CONTENT_TYPES[kind], chunks),
            repeatable=True,  # an item is known by its key
        )
    return _counts(answer)


async def import_invoices(api: Api, path: Path, *, quiet: bool) -> dict[str, Counts]:
    """Group the file's lines to customers and transactions, and post these in batches."""
    with (
        bytes_bar(f"reading {path.name}", source_file.size(path), quiet=quiet) as bar,
        source_file.opened(path, bar.advance) as source,
    ):
        collected = Invoices(read_lines(source_file.text_of(source)))
    with collected as invoices:
        customers, transactions = invoices.counts()
        return {
            "customers": await _post(
                api, "/customers", invoices.customers(), customers, quiet=quiet
            ),
            "transactions": await _post(
                api, "/transactions", invoices.transactions(), transactions, quiet=quiet
            ),
        }


async def _post(
    api: Api,
    path: str,
    records: Iterator[Customer] | Iterator[Transaction],
    total: int,
    *,
    quiet: bool,
) -> Counts:
    recorded: Counts = dict.fromkeys(RECORDED, 0)
    with steps_bar(f"posting {path.strip('/')}", total, quiet=quiet) as bar:
        while batch := list(islice(records, BATCH_RECORDS)):
            # Decimals travel as text, which the contracts take as exactly as numbers.
            content = [record.model_dump(mode="json", exclude_unset=True) for record in batch]
            answer = await api.parsed("POST", path, json=content, repeatable=True)
            for name, count in _counts(answer).items():
                recorded[name] += count
            bar.advance(len(batch))
    return recorded


def _counts(answer: dict[str, int]) -> Counts:
    return {name: int(answer[name]) for name in RECORDED if name in answer}
