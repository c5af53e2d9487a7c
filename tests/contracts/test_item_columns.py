"""Items as columns are what `RecordItems` makes of them one by one: the same values, the same
refusals in the same words, whether a batch is plain or not."""

from __future__ import annotations

import random
from datetime import datetime
from decimal import Decimal
from typing import Any

import jiter
import orjson
import pytest

from shared.contracts.item_columns import ItemBatch, ItemColumns
from shared.contracts.recording import RecordItems
from shared.errors import InvalidArgumentError
from shared.messaging.codec import decode, encode, validate

WHEN = "2024-02-29T23:59:59.123456-05:00"
VALUES: dict[str, list[Any]] = {
    "unique_key": ["k", "", "x" * 255, "x" * 256, "ключ\t\\N\n", "a\x00b", "\ud800", 5, None],
    "amount": [
        "0.1", "-12.50", "+007.10", "1.", ".5", "1e3", "1E+400", "NaN", "1_000", " 1", "", "٣",
        "1\n2", "1\n", "9" * 19 + "." + "9" * 19, "9" * 39, 7, -0, 10**37, 10**38, True, None, [],
        Decimal("1.50"), Decimal("1E+3"), Decimal("0E-40"),
    ],
    "originated_at": [
        WHEN, "2024-01-01T00:00:00Z", "2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z", "2024-01-01 00:00:00Z", "2024-01-01T00:00Z", "2024-01-01",
        "2024-01-01T00:00:00", "2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00+0530",
        "2024-01-01T00:00:00+14:59", "2024-01-01T00:00:00+23:00", "2024-01-01T00:00:00-00:00",
        "0001-06-01T00:00:00Z", "9998-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "now",
        "2024-W01-1T00:00:00Z", "2024-01-01T00:00:00Z\n", 1704067200, None,
    ],
    "description": ["", "tea; \t\\N\r\n", "x" * 1_000, "x" * 1_001, "\x00", "\udfff", 1, None],
    "units": [None, "", "kg", "x" * 256, "\x00", 1],
    "meta": [
        {}, {"a": "x"}, {"a": None, "b": ""}, {"b": 5, "a": Decimal("1.50")}, {"a": 10**30},
        {"a": Decimal("1E+2000")}, {"a": True}, {"a": {}}, {"a": "x" * 1_001}, {"a": "\x00"},
        {"": "x"}, {"x" * 64: "y"}, {"l\x00": "y"}, {"\ud800": "y"}, None, [], "x",
    ],
    "more": [1, {"deep": [1]}],
}  # fmt: skip
PLAIN = {"unique_key": "k", "amount": "1", "originated_at": WHEN}
REQUIRED = ("unique_key", "amount", "originated_at")


def _batch(items: list[Any]) -> dict[str, Any]:
    return {"store_id": 1, "register_id": 2, "items": items}


def _shown(columns: ItemColumns) -> list[Any]:
    """By what it means, for a text may be written in several ways."""
    return [
        columns.unique_keys,
        [(Decimal(a), Decimal(a).as_tuple().exponent) for a in columns.amounts],
        [datetime.fromisoformat(moment) for moment in columns.moments],
        columns.descriptions,
        columns.units,
        columns.meta,
        {label: list(columns.naming(label)) for label in columns.meta},
    ]


def _outcome(items: list[Any], message_class: type[RecordItems] | type[ItemBatch]) -> Any:
    try:
        message = validate(_batch(items), message_class)
    except InvalidArgumentError as error:
        return error.message, error.details
    columns = message.items
    return _shown(columns if isinstance(columns, ItemColumns) else ItemColumns.of(columns))


@pytest.mark.parametrize("field", sorted(VALUES))
def test_each_value_is_taken_or_refused_as_by_an_item(field: str) -> None:
    for value in VALUES[field]:
        items = [PLAIN, {**PLAIN, field: value}]
        assert _outcome(items, ItemBatch) == _outcome(items, RecordItems), (field, value)
    if field in REQUIRED:
        lacking = [{name: PLAIN[name] for name in REQUIRED if name != field}]
        assert _outcome(lacking, ItemBatch) == _outcome(lacking, RecordItems)


def test_any_mixture_comes_out_as_from_items() -> None:
    seeded = random.Random(20_240_229)  # noqa: S311
    refused = 0
    for _ in range(400):
        items = [
            {
                **{name: seeded.choice(VALUES[name][:3]) for name in REQUIRED},
                **{
                    name: seeded.choice(values[: seeded.choice((2, len(values)))])
                    for name, values in VALUES.items()
                    if seeded.random() < 0.3
                },
            }
            for _ in range(seeded.randrange(1, 4))
        ]
        expected = _outcome(items, RecordItems)
        assert _outcome(items, ItemBatch) == expected
        refused += isinstance(expected, tuple)
    assert 40 < refused < 360


@pytest.mark.parametrize("items", [[], {}, None, "x", [1], [None], [[]], [PLAIN] * 10_001])
def test_what_is_no_batch_is_refused_in_the_same_words(items: Any) -> None:
    assert _outcome(items, ItemBatch) == _outcome(items, RecordItems)


def test_a_plain_batch_makes_no_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is for. Were an object made of each item, this would fail."""
    monkeypatch.setattr(ItemColumns, "of", lambda _items: pytest.fail("not plain"))
    items = [
        {**PLAIN, "amount": amount, "meta": {"a": value}, "units": "USD"}
        for amount, value in (("-1.50", "x"), (Decimal("2.50"), None), (7, 8))
    ]
    columns = validate(_batch(items), ItemBatch).items
    assert columns.amounts == ["-1.50", "2.50", "7"]
    assert columns.meta == {"a": ["x", "", "8"]}


def test_it_is_sent_as_the_same_message() -> None:
    json = b'{"unique_key":"a","amount":1234567890123456789012.10,"originated_at":"%s"} , ' % (
        WHEN.encode()
    ) + orjson.dumps(PLAIN)
    items = jiter.from_json(b"[%b]" % json, float_mode="decimal")
    batch = validate(_batch(items), ItemBatch).sent_as(json)
    there = decode(encode(batch), RecordItems)
    assert there.message_id == batch.message_id
    assert there.sent_at == batch.sent_at
    assert [item.amount for item in there.items] == [
        Decimal("1234567890123456789012.10"),
        Decimal(1),
    ]
    assert _shown(ItemColumns.of(there.items)) == _shown(batch.items)
    assert ItemBatch.of(there).message_id == batch.message_id
