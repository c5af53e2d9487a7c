"""Record ends become CRLF, wherever the pieces are cut, and nothing else changes."""

from __future__ import annotations

import random

import pytest

from services.report_worker.csv_text import Records, header, rendering_select
from services.report_worker.exports.customers import CUSTOMERS

VALUES = [b"a,b", b'"two\nlines"', b'"x,\n"', b'","",\n"', b"", b"\xe2\x82\xac"]


@pytest.mark.parametrize("seed", range(20))
def test_any_cut_gives_the_same_text(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's data
    records = Records()
    end = f",{records.null}\n".encode()
    rows = [chance.choice(VALUES) for _ in range(200)]
    sent = b"".join(row + end for row in rows)
    got = b""
    position = 0
    while position < len(sent):
        size = chance.randrange(1, 60)
        got += records.take(sent[position : position + size])
        position += size
    records.finish(len(rows))
    assert got == b"".join(row + b"\r\n" for row in rows)
    assert records.rows == len(rows)


def test_what_is_missing_is_noticed() -> None:
    records = Records()
    end = f",{records.null}\n".encode()
    assert records.take(b"a" + end + b"b,") == b"a\r\n"
    with pytest.raises(ValueError, match="left over"):
        records.finish(1)
    with pytest.raises(ValueError, match="sent 2 records and 1 arrived"):
        records.finish(2)


def test_each_file_has_a_word_of_its_own() -> None:
    assert len({Records().null for _ in range(100)}) == 100


def test_header_and_select_name_the_same_columns() -> None:
    (file,) = CUSTOMERS.files
    names = [column.name for column in file.columns]
    assert header(file) == ",".join(names).encode() + b"\r\n"
    select = rendering_select(file)
    assert [select.index(f'source."{name}"') for name in names] == sorted(
        select.index(f'source."{name}"') for name in names
    )
    assert 'export_text(source."email")' in select
    assert 'export_time(source."date_created")' in select
