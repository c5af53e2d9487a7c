"""Reading: one snapshot for all files of a report, and COPY out of it.

In: the report's zone and range, and a file of an export. Out: the file's bytes in a pipe, and how
many rows they are. No row is ever a Python object: PostgreSQL writes the text, we move bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.report_worker.csv_text import Records, header, rendering_select
from services.report_worker.exports.definition import ExportFile
from shared.database.pool import Connection, Database
from shared.database.queries import load_queries
from shared.database.reports import Report
from shared.objects import BoundedPipe

_SQL = load_queries(__file__)


@dataclass(slots=True)
class Progress:
    """How far a build is. The heartbeat writes it down."""

    stage: str = "starting"
    rows: int = 0
    rows_estimated: int | None = None


@asynccontextmanager
async def snapshot(
    source: Database, timezone: str, *, seconds_max: float
) -> AsyncIterator[Connection]:
    """A read-only transaction that sees one moment, and shows times in the zone."""
    async with source.transaction(isolation="repeatable_read", readonly=True) as connection:
        milliseconds = str(round(seconds_max * 1_000))
        await connection.execute(_SQL["prepare_snapshot"], timezone, milliseconds)
        yield connection


async def copy_file(
    connection: Connection,
    file: ExportFile,
    report: Report,
    pipe: BoundedPipe,
    progress: Progress,
    *,
    seconds_max: float,
) -> int:
    """Write the file into the pipe, as fast as its reader takes it; how many rows it has.

    The pipe is closed when, and only when, everything PostgreSQL sent is in it.
    """
    records = Records()
    before = progress.rows

    async def take(data: bytes) -> None:
        text = records.take(data)
        progress.rows = before + records.rows
        if text:
            await pipe.write(text)

    await pipe.write(header(file))
    tag = await connection.copy_from_query(
        rendering_select(file),
        report.store_id,
        report.range_start,
        report.range_end,
        *file.parameters,
        output=take,
        format="csv",
        null=records.null,
        encoding="utf8",
        timeout=seconds_max,
    )
    rows = int(tag.rpartition(" ")[2])  # "COPY 1234"
    records.finish(rows)
    pipe.close()
    return rows
