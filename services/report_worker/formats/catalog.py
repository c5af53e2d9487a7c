"""Which format belongs to which name. In: a name, as the gateway accepts it. Out: the format, or
None where this version cannot write it (the gateway does not accept it then).

pyarrow alone takes more memory than the rest of a worker: it is imported with the first report that
needs it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from services.report_worker.formats.csv_text import Csv
from services.report_worker.formats.format import Format
from services.report_worker.formats.json_lines import JsonLines
from services.report_worker.formats.xlsx import Xlsx
from shared.contracts.reports import ReportFormat


def _parquet() -> Format:
    # Of Arrow's pools this one gives back most. Its writers ask for the default pool, which nothing
    # but the environment can choose; with another one beside it a worker took 30 MB more.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    from services.report_worker.formats.parquet import Parquet  # noqa: PLC0415

    return Parquet()


_FORMATS: Mapping[str, Callable[[], Format]] = {
    ReportFormat.CSV: Csv,
    ReportFormat.JSONL: JsonLines,
    ReportFormat.XLSX: Xlsx,
    ReportFormat.PARQUET: _parquet,
}


def find_format(name: str) -> Format | None:
    """The format of that name."""
    make = _FORMATS.get(name)
    return None if make is None else make()
