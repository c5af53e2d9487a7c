"""Bodies of records, cut anywhere by the network, come out as the same records in batches."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.record_stream import CSV, JSON, NDJSON, Batch, batches
from shared.errors import MalformedError, TooLargeError

LIMIT = 10_000


async def _cut(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def _split(
    body: bytes, content_type: str, *, size: int = 7, records_max: int = 3, limit: int = LIMIT
) -> list[Batch]:
    return [
        batch
        async for batch in batches(
            _cut(body, size),
            content_type,
            records_max=records_max,
            bytes_max=1_000_000,
            record_bytes_max=limit,
        )
    ]


def _flat(found: list[Batch]) -> list[dict[str, Any]]:
    return [record for batch in found for record in batch.records]


records = st.lists(
    st.dictionaries(
        st.sampled_from(["a", "b", "ключ"]),
        st.one_of(
            st.integers(-(10**18), 10**18),
            st.text(st.characters(exclude_categories=["Cs"])),
            st.none(),
            st.lists(st.booleans(), max_size=2),
        ),
        min_size=1,
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(values=records, size=st.integers(1, 40), ascii_only=st.booleans())
@pytest.mark.parametrize("content_type", [JSON, NDJSON[0]])
async def test_json_comes_out_as_it_went_in(
    content_type: str, values: list[dict[str, Any]], size: int, ascii_only: bool
) -> None:
    lines = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    text = f" [{','.join(lines)}]\n" if content_type == JSON else "\n".join(lines)
    found = await _split(text.encode(), content_type, size=size)
    assert _flat(found) == values
    assert all(len(batch.records) <= 3 for batch in found)
    assert [batch.offset for batch in found] == list(range(0, len(values), 3))


@pytest.mark.parametrize(
    "body",
    [
        # Three lines that would make three objects, with commas between them: but other ones.
        b'{"a":1},{"b":2}\n{"c":[{"d":1}\n{"e":2}]}',
        b'{"a":1} , {"b":2}\n',
        b'{"a":1\n"b":2}',
        b'{"a":[1\n2]}\n{"a":1},{"a":2}',
        b'{"a":1}],"store_id":2,"items":[{"b":2}',
    ],
)
async def test_a_line_is_one_object_and_nothing_else(body: bytes) -> None:
    with pytest.raises(MalformedError, match="line 1 is not JSON"):
        await _split(body + b"\n", NDJSON[0], size=1_000)


@pytest.mark.parametrize("content_type", [JSON, NDJSON[0]])
@pytest.mark.parametrize("between", [",", " ,\n", ", "])
async def test_what_looks_like_a_boundary_is_none(content_type: str, between: str) -> None:
    values: list[dict[str, Any]] = [
        {"a": [{"b": "},{"}, {"c": 1}]},
        {"a": "}, {"},
        {"a": [{"b": [{"d": "]"}, {}]}, {}]},
        {},
    ] * 3
    lines = [json.dumps(value) for value in values]
    text = f"[{between.join(lines)}]" if content_type == JSON else "\n".join(lines)
    for size in (1, 13, 100, 10_000):
        found = await _split(text.encode(), content_type, size=size)
        assert _flat(found) == values
        assert sum(batch.size_bytes for batch in found) == sum(map(len, lines))


async def test_a_stray_quote_does_not_swallow_the_next_row() -> None:
    # Read on from the first, the second would close its quotes and make a row with it.
    body = b'unique_key,amount,originated_at,a,b\nk0,1,x,y,z\nk"1,1,"x\ny",k"2,z\nk3,1,x,y,z\n'
    for size in (7, 1_000):
        with pytest.raises(MalformedError, match="row 1 is not CSV"):
            await _split(body, CSV, size=size)


@pytest.mark.parametrize("content_type", [JSON, NDJSON[0]])
async def test_amounts_keep_every_digit(content_type: str) -> None:
    record = b'{"amount": 1234567890123456789012.0123456789}'
    body = b"[" + record + b"]" if content_type == JSON else record
    (found,) = _flat(await _split(body, content_type))
    assert found["amount"] == Decimal("1234567890123456789012.0123456789")


async def test_csv_rows_become_items_with_their_labels_in_meta() -> None:
    body = (
        "\ufeffunique_key,amount,originated_at,description,units,account\r\n"
        'k1,-1.50,2024-01-01T00:00:00Z,"two\r\nlines, ""quoted""",,wholesale\r\n'
        "\r\n"
        "k2,2,2024-01-01T00:00:00Z,x,USD,\r\n"
    ).encode()
    for size in (1, 5, 1000):
        found = await _split(body, CSV, size=size)
        assert _flat(found) == [
            {
                "unique_key": "k1",
                "amount": "-1.50",
                "originated_at": "2024-01-01T00:00:00Z",
                "description": 'two\r\nlines, "quoted"',
                "meta": {"account": "wholesale"},
            },
            {
                "unique_key": "k2",
                "amount": "2",
                "originated_at": "2024-01-01T00:00:00Z",
                "description": "x",
                "units": "USD",
                "meta": {"account": ""},
            },
        ]


@pytest.mark.parametrize(
    ("content_type", "body", "named"),
    [
        (JSON, b'{"a": 1}', "array"),
        (JSON, b'[{"a": 1}', "does not end"),
        (JSON, b'[{"a": 1', "record 0"),
        (JSON, b'[{"a": 1},]', "record 1"),
        (JSON, b'[{"a": 1} {"a": 2}]', "behind record 1"),
        (JSON, b'[{"a": 1}, 5]', "record 1 is not a JSON object"),
        (JSON, b'[{"a": NaN}]', "NaN"),
        (JSON, b'[{"a": \xff}]', "UTF-8"),
        (JSON, b'[{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}]", "nested too deeply"),
        (JSON, b"[" * 5_000, "record 0"),
        (NDJSON[0], b'{"a":' + b"[" * 5_000, "line 1"),
        (JSON, b"[1]", "record 0"),
        (JSON, b"", "array"),
        (JSON, b'[{"a": 1}] x', "JSON"),
        (NDJSON[0], b'{"a": 1}\n{"a": \n', "line 2"),
        (NDJSON[0], b'{"a": 1}\n\n[]', "line 3"),
        (NDJSON[0], b'{"a": NaN}', "line 1"),
        (CSV, b"", "no header"),
        (CSV, b"unique_key,amount\n", "originated_at"),
        (CSV, b"unique_key,amount,originated_at,amount\n", "twice"),
        (CSV, b'unique_key,amount,originated_at\n"k,1,x\n', "inside a quoted field"),
        (CSV, b"unique_key,amount,originated_at\na,1,x\nb,1\n", "row 1"),
        (CSV, b"unique_key,amount,originated_at\n\xff,1,x\n", "UTF-8"),
    ],
)
async def test_what_cannot_be_read_is_named(content_type: str, body: bytes, named: str) -> None:
    with pytest.raises(MalformedError, match=named):
        await _split(body, content_type)


@pytest.mark.parametrize(
    ("content_type", "start"),
    [(JSON, b'[{"a": "'), (NDJSON[0], b'{"a": "'), (CSV, b'unique_key,amount,originated_at\n"')],
)
async def test_a_record_without_end_is_not_held_for_ever(content_type: str, start: bytes) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield start
        for _ in range(100):
            yield b"x" * 1_000

    with pytest.raises(TooLargeError, match="10000 bytes"):
        async for _ in batches(
            endless(), content_type, records_max=3, bytes_max=1_000_000, record_bytes_max=LIMIT
        ):
            pass


@pytest.mark.parametrize("content_type", [JSON, NDJSON[0], CSV])
async def test_what_trickles_in_byte_by_byte_costs_no_more(content_type: str) -> None:
    """A record of 120 kB with a line break in every second byte, a byte at a time: were each byte
    to look at all before it again, this would take minutes."""
    text = "x\n" * 60_000
    body = {
        JSON: json.dumps([{"a": text}]),
        NDJSON[0]: json.dumps({"a": text}),
        CSV: f'unique_key,amount,originated_at\n"{text}",1,x\n',
    }[content_type]
    started = time.process_time()
    (record,) = _flat(await _split(body.encode(), content_type, size=1, limit=1_000_000))
    assert text in record.values()
    assert time.process_time() - started < 10


async def test_batches_are_bounded_in_bytes_too() -> None:
    body = b"\n".join(json.dumps({"a": "x" * 500}).encode() for _ in range(40))
    found = [
        batch
        async for batch in batches(
            _cut(body, 1_000),
            NDJSON[0],
            records_max=1_000_000,
            bytes_max=4_000,
            record_bytes_max=LIMIT,
        )
    ]
    assert len(found) >= 5
    assert sum(len(batch.records) for batch in found) == 40
