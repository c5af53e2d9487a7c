"""psql's COPY into what stands behind it: what a shell script would do.

Comes in: a store. Goes out: the command of each way. `same` copies what our file consists of, byte
for byte but for the line ends; `plain` what somebody would write who defuses no formulas and shows
times as PostgreSQL does.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from bench.exporting.system import ZONE, Dataset, System
from services.report_worker.exports.complete.archive import COMPLETE
from services.report_worker.exports.customers import CUSTOMERS
from services.report_worker.exports.definition import ExportFile
from services.report_worker.formats.csv_text import CsvText
from services.report_worker.ranges import joined_rows

CUSTOMERS_RANGE = ("'2000-01-01 08:00:00+00'::timestamptz", "'2090-01-01 08:00:00+00'::timestamptz")
COMPLETE_RANGE = ("'2020-01-01 08:00:00+00'::timestamptz", "'2022-01-01 07:59:59+00'::timestamptz")


def plain_select(store_id: int) -> str:
    (file,) = CUSTOMERS.files
    columns = ", ".join(column.name for column in file.columns)
    rows = _plain(file, store_id, CUSTOMERS_RANGE)
    return f"SELECT {columns} FROM ({rows}) AS source"  # noqa: S608 - names of ours


def same_select(store_id: int) -> str:
    (file,) = CUSTOMERS.files
    return _same(file, store_id, CUSTOMERS_RANGE)


def _plain(file: ExportFile, store_id: int, limits: tuple[str, str]) -> str:
    """Without comments, which a shell's line has no room for. All rows of a file with a join, which
    is how anybody would write it who wants all."""
    select = file.query.rstrip().rstrip(";")
    if file.joined is not None:
        rows = joined_rows(file, file.joined)
        select = f"SELECT * {rows}".replace("$4", "NULL").replace("$5", "NULL")
    parameters = [f"'{parameter}'" for parameter in file.parameters]
    for number, value in enumerate((str(store_id), *limits, *parameters), 1):
        select = select.replace(f"${number}", value)
    return "\n".join(line for line in select.splitlines() if not line.lstrip().startswith("--"))


def _same(file: ExportFile, store_id: int, limits: tuple[str, str]) -> str:
    source = f"FROM ({_plain(file, store_id, limits)}) AS source"
    return CsvText(file).select(source).replace(", '.' AS record_end FROM", " FROM", 1)


def commands(system: System, dataset: Dataset, psql: str, folder: Path) -> Mapping[str, str]:
    """By name; each is a line for bash."""
    same = _copy(system, psql, same_select(dataset.store_id), _NOTHING_IS_NULL)
    plain = _copy(system, psql, plain_select(dataset.store_id))
    out = shlex.quote(str(folder / "out"))
    return {
        NOWHERE: f"{same} > /dev/null",
        GZIP: f"{same} | gzip -1 > {out}",
        ZIP: f"{same} | zip -1 -q - - > {out}",
        PLAIN_ZIP: f"{plain} | zip -1 -q - - > {out}",
    }


def complete_commands(
    system: System, dataset: Dataset, psql: str, folder: Path
) -> Mapping[str, str]:
    """Of the nine files: one psql copies them one after the other, in one snapshot, each through a
    zip of its own: a zip that reads several pipes into one archive there is none."""
    files = [file.name for file in COMPLETE.files]
    zips = {name: f"|zip -1 -q - - > {shlex.quote(str(folder / name))}.zip" for name in files}
    lines = {}
    for name, targets in ((NINE_NOWHERE, dict.fromkeys(files, "/dev/null")), (NINE_ZIP, zips)):
        script = folder / f"{len(lines)}.sql"
        script.write_text(_script(dataset, targets))
        stopping = ("-v", "ON_ERROR_STOP=1")
        lines[name] = shlex.join([psql, "-qAtX", *stopping, system.database_url, "-f", str(script)])
    return lines


def _script(dataset: Dataset, targets: Mapping[str, str]) -> str:
    lines = [
        f"SET timezone = '{ZONE}';",
        "SET jit = off;",
        "BEGIN ISOLATION LEVEL REPEATABLE READ;",
    ]
    for file in COMPLETE.files:
        select = _same(file, dataset.store_id, COMPLETE_RANGE)
        lines += [
            f"\\o {targets[file.name]}",
            f"COPY ({select}) TO STDOUT WITH ({_CSV});",
        ]
    return "\n".join([*lines, "\\o", "COMMIT;", ""])


NINE_NOWHERE = "one psql, nine COPYs to nowhere"
NINE_ZIP = "one psql, nine COPYs, zip -1 of each"
NOWHERE = "psql COPY to nowhere"
GZIP = "psql COPY, gzip -1"
ZIP = "psql COPY, zip -1"
PLAIN_ZIP = "psql COPY, zip -1, formulas not defused"


_CSV = "FORMAT csv, HEADER"
# Nothing is NULL in customers as we render them, and so an empty text needs no quotes.
_NOTHING_IS_NULL = r", NULL '\N'"


def _copy(system: System, psql: str, select: str, options: str = "") -> str:
    copy = f"COPY ({select}) TO STDOUT WITH ({_CSV}{options})"
    statements = [f"SET timezone = '{ZONE}'", "SET jit = off", copy]
    commands = [part for statement in statements for part in ("-c", statement)]
    return shlex.join([psql, "-qAtX", system.database_url, *commands])
