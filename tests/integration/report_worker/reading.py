"""What a report's file says, read back with the standard library only."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

from shared.database.reports import Report
from tests.integration.report_worker.seeding import World
from tests.integration.report_worker.test_customers_csv import built, download

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Contents:
    """The tables of a zip by name (without ending), and its manifest."""

    headers: dict[str, list[str]]
    tables: dict[str, Rows]
    manifest: dict[str, Any]


async def contents_of(world: World, report: Report) -> Contents:
    """Build, download, unzip; the manifest's bytes, hashes and rows are those of the files."""
    ready = await built(world, report)
    raw = await download(world, ready)
    headers: dict[str, list[str]] = {}
    tables: dict[str, Rows] = {}
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        *names, last = archive.namelist()
        assert last == "manifest.json"
        manifest = json.loads(archive.read(last))
        assert names == [file["name"] for file in manifest["files"]]
        assert names == [file.name for file in ready.files]
        for told, kept in zip(manifest["files"], ready.files, strict=True):
            text = archive.read(told["name"])
            name = told["name"].removesuffix(".csv")
            headers[name], tables[name] = rows_of(text)
            mine = (len(tables[name]), len(text), hashlib.sha256(text).hexdigest())
            assert (told["rows"], told["bytes"], told["sha256"]) == mine
            assert (kept.rows, kept.bytes, kept.sha256) == mine
    return Contents(headers, tables, manifest)


def rows_of(text: bytes) -> tuple[list[str], Rows]:
    """(header, records by column) of a CSV file."""
    reader = csv.reader(io.StringIO(text.decode("utf-8"), newline=""), strict=True)
    header = next(reader)
    return header, [dict(zip(header, record, strict=True)) for record in reader]
