"""Where the code has its statements: the named ones, and the modules that may put some together.

Comes in: the checkout. Goes out: SQL by file and name, and the files to look through for more.
"""

from __future__ import annotations

from pathlib import Path

from shared.database.queries import load_queries
from tests.engines import ROOT

FOLDERS = ("shared", "services", "cli")
# Files of parts that statements are put together from. No table is in them.
PARTS = {
    "services/report_worker/formats/csv_text.sql",
    "services/report_worker/formats/parquet.sql",
    "services/report_worker/ranges.sql",
    "services/report_worker/register_totals.sql",
}


def files() -> list[Path]:
    """The .sql files of what runs, without the migrations."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.sql"))
    return sorted(path for path in found if "migrations" not in path.parts)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def named() -> dict[str, str]:
    """Whole statements, by "file: name"."""
    return {
        f"{relative(path)}: {name}": sql
        for path in files()
        if relative(path) not in PARTS
        for name, sql in load_queries(str(path)).items()
    }


def parts() -> dict[str, str]:
    return {
        f"{path}: {name}": sql
        for path in sorted(PARTS)
        for name, sql in load_queries(str(ROOT / path)).items()
    }


def modules() -> list[Path]:
    """The Python files of what runs, without the migrations."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if "migrations" not in path.parts)
