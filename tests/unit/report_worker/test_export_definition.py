"""The statements that an export's files are made of."""

from __future__ import annotations

import pytest

from services.report_worker.exports.catalog import EXPORTS
from services.report_worker.exports.definition import ExportFile, totals_select, unordered

FILES = [file for export in EXPORTS.values() for file in export.files]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_totals_are_added_up_in_no_order(file: ExportFile) -> None:
    """Sorting a million rows to add them up is for nothing."""
    rows, _, order = file.query.rstrip().removesuffix(";").rpartition("\n ORDER BY ")
    assert rows
    assert unordered(file.query).strip() == rows.strip()
    assert f"ORDER BY {order}" not in totals_select(file)


@pytest.mark.parametrize(
    "select",
    [
        "SELECT 1 AS n",
        "WITH a AS (SELECT n FROM t\n ORDER BY n LIMIT 5) SELECT * FROM a",
        "SELECT array_agg(n\n ORDER BY n) FROM t",
    ],
)
def test_an_order_that_is_part_of_the_rows_stays(select: str) -> None:
    assert unordered(f"{select};").strip() == select
