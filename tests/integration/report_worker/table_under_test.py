"""A file with a column of every type, its rows made up by a test, and what it looks like.

The rows travel as JSON into a SELECT; what comes out is compared with the rows by whoever reads it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from services.report_worker.copying import Copying, Progress, snapshot
from services.report_worker.exports.definition import Column, ColumnType, ExportFile
from services.report_worker.formats.format import Format
from services.report_worker.packing import Package
from services.report_worker.pieces import FilePieces, Room
from services.report_worker.writing import OutgoingFile, Writing
from shared.database.pool import Database
from shared.database.reports import Report
from shared.objects import BoundedPipe

ZONE = "America/New_York"
COLUMNS = (
    Column("id", ColumnType.NUMBER, ""),
    Column("label", ColumnType.TEXT, ""),
    Column("quantity", ColumnType.NUMBER, ""),
    Column("amount", ColumnType.MONEY, ""),
    Column("currency", ColumnType.TEXT, ""),
    Column("flag", ColumnType.BOOLEAN, ""),
    Column("moment", ColumnType.MOMENT, ""),
    Column("day", ColumnType.DATE, ""),
)
_SELECT = """
SELECT id, label, quantity, amount, currency, flag, moment, day
  FROM jsonb_to_recordset($4::text::jsonb)
       AS r(id integer, label text, quantity numeric, amount numeric, currency text, flag boolean,
            moment timestamptz, day date)
 WHERE $1::bigint > 0 AND $2::timestamptz <= $3::timestamptz
 ORDER BY id
"""
REPORT = Report(
    **dict.fromkeys(Report.__dataclass_fields__)  # type: ignore[arg-type]
    | {
        "store_id": 1,
        "report_id": 1,
        "attempt": 1,
        "name": "customers",
        "timezone": ZONE,
        "range_start": datetime(2000, 1, 1, tzinfo=UTC),
        "range_end": datetime(2100, 1, 1, tzinfo=UTC),
        "compress": False,
        "is_large": False,
    }
)


@dataclass(frozen=True)
class Row:
    label: str | None = "x"
    quantity: Decimal | None = Decimal(1)
    amount: Decimal | None = Decimal("1.00")
    currency: str = "USD"
    flag: bool | None = True
    moment: datetime | None = datetime(2024, 1, 1, tzinfo=UTC)
    day: date | None = date(2024, 1, 1)


def table(rows: Sequence[Row]) -> ExportFile:
    return ExportFile("table", _SELECT, COLUMNS, parameters=(json.dumps(_json(rows)),))


def _json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    def shown(value: Any) -> Any:
        if isinstance(value, Decimal):
            return format(value, "f")
        return value.isoformat() if isinstance(value, date) else value

    return [
        {"id": number, **{name: shown(value) for name, value in vars(row).items()}}
        for number, row in enumerate(rows, 1)
    ]


async def rendered(
    source: Database,
    threads: Executor,
    file: ExportFile,
    format_: Format,
    *,
    report: Report = REPORT,
    connections: int = 1,
) -> bytes:
    """The file as the format writes it, by all of the way but the store."""
    out = BoundedPipe()
    package = Package(
        out, datetime(2024, 1, 1, tzinfo=UTC), plain_bytes_max=10**9, is_compressed=True
    )
    room = Room(connections + 1)
    outgoing = OutgoingFile("table", format_.render(file), FilePieces(room))
    progress = Progress(files=[outgoing.pieces])
    copying = Copying(report, [file], [outgoing], room, progress)
    writing = Writing([outgoing], package, out)
    async with asyncio.TaskGroup() as group:
        group.create_task(writing.run(threads))
        reading = group.create_task(asyncio.to_thread(out.read))
        async with snapshot(
            source,
            report.timezone,
            store_id=report.store_id,
            seconds_max=60,
            connections=connections,
        ) as c:
            (count,) = await copying.run(c, seconds_max=60)
        await writing.written()
        assert outgoing.pieces.rows == count
        await writing.end()
    return reading.result()


def large(report: Report = REPORT, **changes: Any) -> Report:
    return replace(report, is_large=True, **changes)
