"""`tallyport import`: a file goes in, of any size, as often as wanted.

Comes in: a path. Goes out: what was inserted, replaced, and there already. Importing the same
file again changes nothing, for ids and keys are those of the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import source_file
from cli.command import Answer
from cli.error_text import RECORDED
from cli.invoices import Invoices
from cli.online_retail import read_lines
from cli.outcomes import UsageError
from cli.progress import Bar, bytes_bar, steps_bar
from cli.service_command import Quiet, service_command
from cli.source_file import SourceFormat
from cli.tables import table
from shared.contracts.recording import Customer, Transaction
from tallyport_client import AsyncClient, Stream

CONTENT_TYPES = {SourceFormat.CSV: "text/csv", SourceFormat.NDJSON: "application/x-ndjson"}

Counts = dict[str, int]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    service_command(app, "import")(import_)


async def import_(
    tallyport: AsyncClient,
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
        recorded = await import_invoices(tallyport, file, quiet=quiet)
    else:
        counts = await import_items(tallyport, file, register, found, quiet=quiet)
        recorded = {"items": counts}
    rows = [[kind, *(counts.get(name) for name in RECORDED)] for kind, counts in recorded.items()]
    return Answer(recorded, table(f"Imported {file.name}", ("", *RECORDED), rows))


async def import_items(
    tallyport: AsyncClient, path: Path, register_id: int, kind: SourceFormat, *, quiet: bool
) -> Counts:
    """Stream the file as it is; the service reads it while it comes."""
    with bytes_bar(path.name, source_file.size(path), quiet=quiet) as bar:

        async def chunks() -> AsyncIterator[bytes]:
            bar.show(path.name, 0, source_file.size(path))
            with source_file.opened(path, bar.advance) as source:
                while chunk := await asyncio.to_thread(source.read, source_file.CHUNK_BYTES):
                    yield chunk

        recorded = await tallyport.items.record_stream(
            register_id, Stream(CONTENT_TYPES[kind], chunks)
        )
    # An item is never replaced.
    return {"inserted": recorded.inserted, "duplicates": recorded.duplicates}


async def import_invoices(tallyport: AsyncClient, path: Path, *, quiet: bool) -> dict[str, Counts]:
    """Group the file's lines to customers and transactions, and post these in batches."""
    with (
        bytes_bar(f"reading {path.name}", source_file.size(path), quiet=quiet) as bar,
        source_file.opened(path, bar.advance) as source,
    ):
        collected = Invoices(read_lines(source_file.text_of(source)))
    with collected as invoices:
        customers, transactions = invoices.counts()
        records = tallyport.records
        with steps_bar("posting customers", customers, quiet=quiet) as bar:
            customers_recorded = await records.customers(_counted(invoices.customers(), bar))
        with steps_bar("posting transactions", transactions, quiet=quiet) as bar:
            transactions_recorded = await records.transactions(
                _counted(invoices.transactions(), bar)
            )
    return {
        "customers": customers_recorded.counts(),
        "transactions": transactions_recorded.counts(),
    }


def _counted(records: Iterator[Customer] | Iterator[Transaction], bar: Bar) -> Iterator[Any]:
    """As they are sent; Decimals travel as text, which the contracts take as exactly as numbers."""
    for record in records:
        yield record.model_dump(mode="json", exclude_unset=True)
        bar.advance(1)
