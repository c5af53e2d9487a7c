"""The tables of columns in docs/reports.md: `python -m services.report_worker.exports.document`.

In: the exports, the page. Out: the page with everything between two marks made anew; what stands
around them is written by hand. `make docs` runs it, and a test finds a page that was not made anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from services.report_worker.exports.catalog import EXPORTS
from services.report_worker.exports.definition import Export, ExportFile

BEGIN = "<!-- made by `make docs` from services/report_worker/exports -->"
END = "<!-- end of what is made -->"
_MADE = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
WIDTH = 112


def made_anew(page: str) -> str:
    """The page with the columns as they are. Raises `ValueError` for a page without its marks."""
    if len(_MADE.findall(page)) != 1:
        raise ValueError("the page has no place for the columns, or several")
    columns = "\n".join([BEGIN, "", *_lines(), END])
    return _MADE.sub(lambda _: columns, page)


def _lines() -> Iterator[str]:
    for export in EXPORTS.values():
        yield from (f"## {export.name}", "")
        if export.packed:
            yield from _packed(export)
        else:
            for file in export.files:
                yield from _table(file)


def _packed(export: Export) -> Iterator[str]:
    yield from _paragraph(export.about)
    for file in export.files:
        yield from (f"### {file.name}", "")
        yield from _table(file)


def _table(file: ExportFile) -> Iterator[str]:
    yield from _paragraph(file.about)
    yield from ("| column | type | meaning |", "|---|---|---|")
    for column in file.columns:
        yield f"| `{column.name}` | {column.type} | {column.meaning} |"
    yield ""


def _paragraph(text: str) -> Iterator[str]:
    """Filled, but never broken inside a code span."""
    line = ""
    for word in re.findall(r"(?:`[^`]*`|\S)+", text):
        if line and len(line) + 1 + len(word) > WIDTH:
            yield line
            line = ""
        line = f"{line} {word}".strip()
    yield from (line, "")


def main(path: Path) -> None:
    """Rewrite the page."""
    path.write_text(made_anew(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
