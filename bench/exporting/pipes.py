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
from services.report_worker.exports.customers import CUSTOMERS
from services.report_worker.formats.csv_text import CsvText

RANGE = "'2000-01-01 08:00:00+00'::timestamptz", "'2090-01-01 08:00:00+00'::timestamptz"


def plain_select(store_id: int) -> str:
    (file,) = CUSTOMERS.files
    select = file.select.rstrip().rstrip(";")
    for number, value in enumerate((str(store_id), *RANGE), 1):
        select = select.replace(f"${number}", value)
    return "\n".join(line for line in select.splitlines() if not line.lstrip().startswith("--"))


def same_select(store_id: int) -> str:
    (file,) = CUSTOMERS.files
    source = f"FROM ({plain_select(store_id)}) AS source"
    return CsvText(file).select(source).replace(", NULL FROM", " FROM", 1)


def commands(system: System, dataset: Dataset, psql: str, folder: Path) -> Mapping[str, str]:
    """By name; each is a line for bash."""
    same = _copy(system, psql, same_select(dataset.store_id))
    plain = _copy(system, psql, plain_select(dataset.store_id))
    out = shlex.quote(str(folder / "out"))
    return {
        NOWHERE: f"{same} > /dev/null",
        GZIP: f"{same} | gzip -1 > {out}",
        ZIP: f"{same} | zip -1 -q - - > {out}",
        PLAIN_ZIP: f"{plain} | zip -1 -q - - > {out}",
    }


NOWHERE = "psql COPY to nowhere"
GZIP = "psql COPY, gzip -1"
ZIP = "psql COPY, zip -1"
PLAIN_ZIP = "psql COPY, zip -1, formulas not defused"


def _copy(system: System, psql: str, select: str) -> str:
    copy = f"COPY ({select}) TO STDOUT WITH (FORMAT csv, HEADER)"
    statements = [f"SET timezone = '{ZONE}'", "SET jit = off", copy]
    commands = [part for statement in statements for part in ("-c", statement)]
    return shlex.join([psql, "-qAtX", system.database_url, *commands])
