"""The header and the SELECT of a file as CSV."""

from __future__ import annotations

from services.report_worker.exports.customers import CUSTOMERS
from services.report_worker.formats.csv_text import CsvText, header


def test_header_and_select_name_the_same_columns() -> None:
    (file,) = CUSTOMERS.files
    names = [column.name for column in file.columns]
    assert header(file) == ",".join(names).encode() + b"\r\n"
    select = CsvText(file).select("FROM x AS source")
    assert [select.index(f'source."{name}"') for name in names] == sorted(
        select.index(f'source."{name}"') for name in names
    )
    assert select.endswith(", '.' AS record_end FROM x AS source")
