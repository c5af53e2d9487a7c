"""Record ends become CRLF, wherever the pieces are cut, and nothing else changes."""

from __future__ import annotations

import random

import pytest

from services.report_worker.exports.customers import CUSTOMERS
from services.report_worker.formats.csv_text import CsvText, Records, header

VALUES = [b"a,b", b'"two\nlines"', b'"x,\n"', b'"","",\n"', b"", b"\xe2\x82\xac"]


@pytest.mark.parametrize("seed", range(20))
def test_any_cut_gives_the_same_text(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's data
    records = Records()
    end = f",{records.word}\n".encode()
    missing = records.word.encode()
    rows = [chance.choice([*VALUES, b"%s,x,%s" % (missing, missing)]) for _ in range(200)]
    sent = b"".join(row + end for row in rows)
    got = b""
    position = 0
    while position < len(sent):
        size = chance.randrange(1, 60)
        got += records.take(sent[position : position + size])
        position += size
    records.finish()
    assert got == b"".join(row.replace(missing, b"") + b"\r\n" for row in rows)
    assert records.rows == len(rows)


def test_a_record_that_is_not_whole_is_noticed() -> None:
    records = Records()
    end = f",{records.word}\n".encode()
    assert records.take(b"a" + end + b"b,") == b"a\r\n"
    assert records.rows == 1
    with pytest.raises(ValueError, match="left over"):
        records.finish()


def test_each_file_has_a_word_of_its_own() -> None:
    (file,) = CUSTOMERS.files
    assert len({str(CsvText(file).copy_options["null"]) for _ in range(100)}) == 100


def test_header_and_select_name_the_same_columns() -> None:
    (file,) = CUSTOMERS.files
    names = [column.name for column in file.columns]
    assert header(file) == ",".join(names).encode() + b"\r\n"
    select = CsvText(file).select("FROM x AS source")
    assert [select.index(f'source."{name}"') for name in names] == sorted(
        select.index(f'source."{name}"') for name in names
    )
    assert select.endswith(", NULL FROM x AS source")
