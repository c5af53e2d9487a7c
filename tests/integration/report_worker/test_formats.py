"""What goes into a file comes out of it again, read by others than those who wrote it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.report_worker.formats.catalog import find_format
from services.report_worker.formats.format import FormatLimitError
from services.report_worker.formats.parquet import Parquet
from shared.contracts.reports import ReportFormat
from shared.database.pool import Database
from tests.integration.report_worker.table_under_test import COLUMNS, ZONE, Row, rendered, table

DIGITS = {"USD": 2, "JPY": 0, "BHD": 3, "CLF": 4}
# The clocks of New York are set back on 3 November 2024, and forward on 10 March.
CHANGES = [datetime(2024, 11, 3, 6, tzinfo=UTC), datetime(2024, 3, 10, 7, tzinfo=UTC)]

SPECIAL = "\"',;=+-@\t\r\n\\ <>&_x0041Nab\x01\x0b\x1f\x7f\ufffe\u2028"
WORDS = ["=1+1", "@x", "\\N", "\\.", "_x0041_", "]]>", "  padded  ", "日本 עברית 👩‍👩‍👧", "null"]
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
    st.text(st.sampled_from(SPECIAL), max_size=12),
    st.sampled_from(WORDS),
)
decimals = st.one_of(
    st.decimals(-(10**6), 10**6, places=3),
    st.decimals(-(10**27), 10**27, places=10),
    st.sampled_from([Decimal(0), Decimal("-0.1"), Decimal("1e-10"), Decimal("123456789012345.6")]),
)
moments = st.one_of(
    st.datetimes(datetime(1970, 1, 2), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.builds(
        lambda change, seconds: change + timedelta(seconds=seconds),
        st.sampled_from(CHANGES),
        st.integers(-7_200, 7_200),
    ),
)
rows_of_all_kinds = st.lists(
    st.builds(
        Row,
        label=st.none() | texts,
        quantity=st.none() | decimals,
        amount=st.none() | decimals,
        currency=st.sampled_from([*DIGITS]),
        flag=st.none() | st.booleans(),
        moment=st.none() | moments,
        day=st.none() | st.dates(date(2, 1, 1), date(9998, 12, 31)),
    ),
    max_size=25,
)


@settings(
    max_examples=12,
    deadline=None,
    # Shrinking takes minutes where an example takes a tenth of a second.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=rows_of_all_kinds)
async def test_every_format_gives_back_what_is_in_it(
    source: Database, threads: ThreadPoolExecutor, rows: list[Row]
) -> None:
    readers = {
        ReportFormat.CSV: read_csv,
        ReportFormat.JSONL: read_jsonl,
        ReportFormat.XLSX: read_xlsx,
        ReportFormat.PARQUET: read_parquet,
    }
    for name, read in readers.items():
        format_ = find_format(name)
        assert format_ is not None
        read(await rendered(source, threads, table(rows), format_), rows)


def money(row: Row) -> Decimal | None:
    """At least the digits of its currency, and more where it has more."""
    if row.amount is None:
        return None
    with localcontext(prec=100):
        digits = -int(row.amount.normalize().as_tuple().exponent)
        return row.amount.quantize(Decimal(1).scaleb(-max(digits, DIGITS[row.currency])))


def iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    local = moment.astimezone(ZoneInfo(ZONE)).isoformat()
    return re.sub(r"\.(\d*?)0+(?=[+-])", r".\1", local) if "." in local else local


def read_csv(data: bytes, rows: Sequence[Row]) -> None:
    text = io.StringIO(data.decode(), newline="")
    head, *found = csv.reader(text, strict=True)
    assert head == [column.name for column in COLUMNS]
    assert len(found) == len(rows)
    for number, (row, cells) in enumerate(zip(rows, found, strict=True), 1):
        label = row.label or ""
        if label.startswith(("=", "+", "-", "@", "\t", "\r")):
            label = "'" + label
        assert cells[:2] == [str(number), label]
        assert cells[2] == ("" if row.quantity is None else format(row.quantity, "f"))
        assert cells[3] == ("" if row.amount is None else format(money(row), "f"))
        assert cells[4:] == [
            row.currency,
            "" if row.flag is None else str(row.flag).lower(),
            iso(row.moment) or "",
            row.day.isoformat() if row.day else "",
        ]


def read_jsonl(data: bytes, rows: Sequence[Row]) -> None:
    lines = data.decode().split("\n")
    assert lines.pop() == ""
    found = [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in lines]
    assert [*map(list, found)] == [[column.name for column in COLUMNS]] * len(rows)
    assert [[*record.values()] for record in found] == [
        [
            number,
            row.label,
            row.quantity,
            money(row),
            row.currency,
            row.flag,
            iso(row.moment),
            row.day.isoformat() if row.day else None,
        ]
        for number, row in enumerate(rows, 1)
    ]


def read_xlsx(data: bytes, rows: Sequence[Row]) -> None:
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
    assert book.sheetnames == ["table"]
    head, *found = [list(cells) for cells in book["table"].iter_rows()]
    assert [cell.value for cell in head] == [column.name for column in COLUMNS]
    assert len(found) == len(rows)
    for number, (row, cells) in enumerate(zip(rows, found, strict=True), 1):
        values = [cell.value for cell in cells]
        values += [None] * (len(COLUMNS) - len(values))
        assert all(getattr(cell, "data_type", "n") != "f" for cell in cells)
        assert values[0] == number
        # XML knows one end of a line only where it is not written as a character's number.
        assert as_text(values[1]) == (row.label or None)
        assert as_number(values[2]) == as_number_kept(row.quantity)
        assert as_number(values[3]) == as_number_kept(money(row))
        assert values[4:] == [
            row.currency,
            row.flag,
            iso(row.moment),
            row.day.isoformat() if row.day else None,
        ]


def as_text(value: Any) -> Any:
    """What the standard says of `_xHHHH_` (ISO 29500, ST_Xstring)."""
    if value is None:
        return None
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), value)


def as_number(value: Any) -> Any:
    return value if isinstance(value, str) or value is None else float(value)


def as_number_kept(value: Decimal | None) -> Any:
    if value is None:
        return None
    digits = "".join(map(str, value.as_tuple().digits)).strip("0")
    return float(value) if len(digits) <= 15 else format(value, "f")


def read_parquet(data: bytes, rows: Sequence[Row]) -> None:
    found = pyarrow.parquet.read_table(io.BytesIO(data))
    assert {field.name: str(field.type) for field in found.schema} == {
        "id": "decimal128(38, 10)",
        "label": "string",
        "quantity": "decimal128(38, 10)",
        "amount": "decimal128(38, 10)",
        "currency": "string",
        "flag": "bool",
        "moment": "timestamp[us, tz=UTC]",
        "day": "date32[day]",
    }
    assert [[*record.values()] for record in found.to_pylist()] == [
        [number, row.label, row.quantity, row.amount, row.currency, row.flag, row.moment, row.day]
        for number, row in enumerate(rows, 1)
    ]


async def test_parquet_makes_room_for_what_does_not_fit_and_says_so_otherwise(
    source: Database, threads: ThreadPoolExecutor
) -> None:
    for number in (Decimal("1e30"), Decimal("1e-20"), Decimal(10**37 + 1)):
        rows = [Row(), Row(quantity=number)]
        with pytest.raises(ExceptionGroup) as caught:
            await rendered(source, threads, table(rows), Parquet())
        assert caught.group_contains(FormatLimitError)
        roomier = Parquet().roomier
        assert roomier is not None
        assert roomier.roomier is None
        data = await rendered(source, threads, table(rows), roomier)
        found = pyarrow.parquet.read_table(io.BytesIO(data))
        assert found["quantity"].to_pylist() == [Decimal(1), number]
