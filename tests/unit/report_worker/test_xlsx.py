"""Workbooks: full sheets go on in the next one, and what a cell cannot hold is seen to."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import openpyxl
import pytest

from services.report_worker.exports.definition import Column, ColumnType, ExportFile
from services.report_worker.formats.xlsx import SHEET_ROWS_MAX, Workbook
from services.report_worker.formats.xlsx_xml import (
    CELL_CHARACTERS_MAX,
    number_cell,
    sheet_name,
    text_of,
)

FILE = ExportFile(
    "table", "", (Column("id", ColumnType.NUMBER, ""), Column("a", ColumnType.TEXT, ""))
)


class Lines:
    """What COPY would have sent."""

    def __init__(self, *chunks: bytes) -> None:
        self.rows = 0
        self._chunks = chunks

    def chunks(self) -> Iterator[bytes]:
        yield from self._chunks


def written(lines: Lines, **limits: int) -> bytes:
    data: list[bytes] = []
    Workbook(FILE, **limits).write(lines, data.append)  # type: ignore[arg-type]
    return b"".join(data)


@pytest.mark.parametrize(
    ("rows", "sheets"),
    [(0, [1]), (1, [2]), (4, [5]), (5, [5, 2]), (12, [5, 5, 5]), (13, [5, 5, 5, 2])],
)
@pytest.mark.parametrize("chunk", [1, 7, 1_000])
def test_a_full_sheet_is_followed_by_another(rows: int, sheets: list[int], chunk: int) -> None:
    sent = b"".join(b"%d\ttext %d\n" % (number, number) for number in range(rows))
    lines = Lines(*(sent[at : at + chunk] for at in range(0, len(sent), chunk)))
    book = openpyxl.load_workbook(io.BytesIO(written(lines, sheet_rows_max=5)))
    assert book.sheetnames == ["table", "table 2", "table 3", "table 4"][: len(sheets)]
    found = []
    for sheet, count in zip(book, sheets, strict=True):
        head, *below = sheet.iter_rows(values_only=True)
        assert head == ("id", "a")
        assert len(below) == count - 1
        found += below
    assert found == [(number, f"text {number}") for number in range(rows)]
    assert lines.rows == rows


def test_a_sheet_ends_before_its_part_of_the_archive_would() -> None:
    book = openpyxl.load_workbook(
        io.BytesIO(written(Lines(*[b"1\tx\n"] * 10), sheet_bytes_max=200))
    )
    assert sum(sheet.max_row - 1 for sheet in book) == 10
    assert len(book.sheetnames) > 1


def test_the_real_limit_is_that_of_spreadsheets() -> None:
    block = b"".join(b"%d\tx\n" % number for number in range(2_000))
    count = SHEET_ROWS_MAX // 2_000 + 1
    lines = Lines(*[block] * count)
    with zipfile.ZipFile(io.BytesIO(written(lines))) as archive:
        found = [
            archive.read(f"xl/worksheets/sheet{number}.xml").count(b"<row>") for number in (1, 2)
        ]
    assert found == [1_048_576, count * 2_000 - 1_048_575 + 1]


@pytest.mark.parametrize(
    ("number", "is_number"),
    [
        (b"0", True),
        (b"-12.50", True),
        (b"123456789012345", True),
        (b"1234567890123456", False),
        (b"-0.00000000000000000012", True),
        (b"100000000000000000000000", True),
        (b"1.00000000000000000001", False),
        (b"NaN", False),
    ],
)
def test_a_number_that_would_be_rounded_is_text(number: bytes, is_number: bool) -> None:
    cell = number_cell(number)
    assert (b"<v>" in cell) is is_number
    assert number in cell
    assert number_cell(b"") == b"<c/>"


def test_a_text_that_is_too_long_says_that_it_was_cut() -> None:
    fits = "x" * (CELL_CHARACTERS_MAX - 2) + "👩"  # which counts as two
    assert text_of(fits.encode()).decode() == fits
    cut = text_of((fits + "y").encode()).decode()
    assert cut.endswith("[cut after 32,767 characters; csv, jsonl and parquet have all of it]")
    assert len(cut.encode("utf-16-le")) // 2 <= CELL_CHARACTERS_MAX
    book = openpyxl.load_workbook(io.BytesIO(written(Lines(b"1\t" + fits.encode() + b"yy\n"))))
    assert str(book["table"]["B2"].value).endswith("have all of it]")


def test_what_xml_cannot_hold_is_written_as_the_standard_says() -> None:
    assert text_of(b"a\x01b\\v\\f_x0041_\x1f") == b"a_x0001_b_x000B__x000C__x005F_x0041__x001F_"
    assert text_of("\ufffe<&>".encode()) == b"_xFFFE_&lt;&amp;&gt;"
    assert text_of(b"\\r\\n\\t\\\\") == b"&#13;\n\t\\"


def test_names_of_sheets_fit() -> None:
    assert sheet_name("payment_methods_by_month_and_more", 1) == "payment_methods_by_month_and_mo"
    assert sheet_name("payment_methods_by_month_and_more", 12) == "payment_methods_by_month_and 12"
