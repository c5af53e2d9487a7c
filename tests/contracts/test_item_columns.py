"""Items as columns are what `RecordItems` makes of them one by one: the same values, the same
refusals in the same words, whether a batch is plain or not."""

from __future__ import annotations

import random
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.contracts.item_columns import ItemBatch, ItemColumns
from shared.contracts.record_columns import RecordColumns
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


def test_what_was_checked_travels_by_column_and_means_the_same() -> None:
    items = [
        {**PLAIN, "unique_key": f"k{n}", "amount": amount, "meta": meta, **more}
        for n, (amount, meta, more) in enumerate(
            [
                ("-1.50", {"a": "x", "b": None}, {}),
                (Decimal("2.50"), {"a": 5}, {"description": 'tea "\t\\N\n', "units": "kg"}),
                # None of these is plain: they come as an item writes them.
                ("1e3", {"b": "é"}, {"originated_at": "2024-01-01T00:00Z"}),
            ]
        )
    ]
    for some in (items, items[:1], items[:2]):
        checked = validate(_batch(some), ItemBatch).items
        message = RecordColumns.of(1, 2, checked)
        assert message is not None
        there = decode(encode(message), RecordColumns)
        assert _shown(there.items) == _shown(checked)
        assert (there.message_id, there.store_id, there.register_id) == (message.message_id, 1, 2)


def test_more_labels_than_a_register_has_do_not_travel_by_column() -> None:
    meta = {f"l{n}": "x" for n in range(11)}
    checked = validate(_batch([{**PLAIN, "meta": meta}]), ItemBatch).items
    assert RecordColumns.of(1, 2, checked) is None


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *(("unique_keys", "unique_key"), ("amounts", "amount"), ("moments", "originated_at")),
        *(("descriptions", "description"), ("units", "units")),
    ],
)
def test_each_value_of_a_column_is_taken_or_refused_as_an_items(name: str, field: str) -> None:
    columns = {name: ["1"] for name in ("unique_keys", "amounts")} | {"moments": [WHEN]}
    for value in VALUES[field]:
        expected = _outcome([{**PLAIN, "unique_key": "1", field: value}], RecordItems)
        content = {"store_id": 1, "register_id": 2, **columns, name: [value]}
        if isinstance(expected, list):
            assert _shown(validate(content, RecordColumns).items) == expected, value
            continue
        with pytest.raises(InvalidArgumentError) as refused:
            validate(content, RecordColumns)
        (detail,) = refused.value.details
        assert (detail.index, detail.field) == (0, f"{name}.0")
        assert detail.reason == expected[1][0].reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amounts": ["1", "2"]}, "amounts: must be as many as unique_keys"),
        ({"meta": {"a": ["x", "y"]}}, "meta.a: must be as many as unique_keys"),
        ({"descriptions": ["", ""]}, "descriptions: must be as many as unique_keys"),
        ({"units": [None, None]}, "units: must be as many as unique_keys"),
        ({"moments": "2024"}, "moments: "),
        ({"unique_keys": []}, "unique_keys: "),
        ({"meta": {"a": [{}]}}, "meta.a.0: "),
        ({"meta": {"": ["x"]}}, "meta..[key]: "),
        ({"meta": {f"l{n}": ["x"] for n in range(11)}}, "meta: "),
    ],
)
def test_columns_that_do_not_go_together_are_refused(change: dict[str, Any], reason: str) -> None:
    columns = {"unique_keys": ["k"], "amounts": ["1"], "moments": [WHEN]}
    with pytest.raises(InvalidArgumentError) as refused:
        validate({"store_id": 1, "register_id": 2, **columns, **change}, RecordColumns)
    assert refused.value.message.startswith(reason)
