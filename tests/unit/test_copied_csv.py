"""Record ends become CRLF, wherever the pieces are cut, and nothing else changes."""

from __future__ import annotations

import csv
import io
import itertools
import random
from collections.abc import Sequence

import pytest

from shared.database.copied_csv import Records

END = b',"."\n'
# Whatever could be taken for the end of a record, or hide it.
LETTERS = ',".\n\r'
TEXTS = ["".join(text) for size in range(4) for text in itertools.product(LETTERS, repeat=size)]


def written(values: Sequence[str], line_end: str) -> bytes:
    """As Python writes it: quoted where there is a comma, a quotation mark or an end of a line."""
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end).writerow(values)
    return out.getvalue().encode()


def sent(values: Sequence[str]) -> bytes:
    """As COPY writes it, with the forced quotation marks of its last column."""
    return written([*values, "x"], "\r\n").removesuffix(b",x\r\n") + END


@pytest.mark.parametrize("seed", range(20))
def test_any_text_in_any_cut_comes_out_as_it_was(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's data
    records = Records()
    rows = [chance.choices(TEXTS, k=3) for _ in range(1_000)]
    data = b"".join(map(sent, rows))
    got = b""
    position = 0
    while position < len(data):
        size = chance.randrange(1, 60)
        got += records.take(data[position : position + size])
        position += size
    records.finish()
    assert got == b"".join(written(row, "\r\n") for row in rows)
    assert records.rows == len(rows)


def test_no_two_texts_beside_each_other_look_like_an_end() -> None:
    records = Records()
    rows = [*itertools.product(TEXTS, repeat=2)]
    got = records.take(b"".join(map(sent, rows)))
    assert got == b"".join(written(row, "\r\n") for row in rows)
    assert records.rows == len(rows)


def test_a_record_that_is_not_whole_is_noticed() -> None:
    records = Records()
    assert records.take(b"a" + END + b"b,") == b"a\r\n"
    assert records.rows == 1
    with pytest.raises(ValueError, match="left over"):
        records.finish()
