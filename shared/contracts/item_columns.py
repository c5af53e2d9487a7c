"""A batch of items as columns: the same rules as `Item`'s, without an object for each item.

Comes in: items as parsed JSON (fractions as `Decimal`). Goes out: `ItemColumns`. Most batches are
plain: their columns are checked whole, at the speed of C. What is plain here is allowed by `Item`
with the same meaning; whatever is not is left to `Item`, which takes it or says what is wrong.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetPydanticSchema, ValidatorFunctionWrapHandler
from pydantic_core import core_schema

from shared.contracts.message import Id, Message, number_as_text
from shared.contracts.recording import BATCH_RECORDS_MAX, Item, RecordItems

# What a plain batch may hold at most; `Item` knows the same limits.
_KEY_CHARS_MAX = 255
_TEXT_CHARS_MAX = 1_000
_LABEL_CHARS_MAX = 63
_LABELS_MAX = 100
# 38 digits at most, whatever the zeros in front; written out, so that its text is its value.
_AMOUNT = r"[+-]?+[0-9]{1,19}+(?:\.[0-9]{1,19}+)?+"
# As RFC 3339 writes them: what every reader takes for the same instant.
_MOMENT = (
    r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,6}+)?+(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"
)
_AMOUNTS = re.compile(rf"{_AMOUNT}(?:\n{_AMOUNT})*+")
_MOMENTS = re.compile(rf"{_MOMENT}(?:\n{_MOMENT})*+")
_NUMBERS = {str, int, Decimal}


@dataclass(frozen=True, slots=True, eq=False)
class ItemColumns:
    """Lists of equal length, in the order of the items. `amounts` and `moments` are texts that
    PostgreSQL reads exactly; `units` None is the register's; `meta` is by label: "" where an item
    gives it no value, and None where an item does not name it, which comes to the same."""

    unique_keys: list[str]
    amounts: list[str]
    moments: list[str]
    descriptions: list[str]
    units: list[str | None]
    meta: dict[str, list[str | None]]

    def __len__(self) -> int:
        return len(self.unique_keys)

    @classmethod
    def of(cls, items: Sequence[Item]) -> Self:
        labels = dict.fromkeys(label for item in items for label in item.meta)
        return cls(
            [item.unique_key for item in items],
            [str(item.amount) for item in items],
            [item.originated_at.isoformat() for item in items],
            [item.description for item in items],
            [item.units for item in items],
            {
                label: [(item.meta[label] or "") if label in item.meta else None for item in items]
                for label in labels
            },
        )

    def naming(self, label: str) -> Iterator[int]:
        """The indexes of the items that name this label, with a value or without."""
        return (index for index, value in enumerate(self.meta[label]) if value is not None)


def _plain(items: list[Any]) -> ItemColumns | None:
    """The columns of plain items; None when one of them is not."""
    try:
        if set(map(type, items)) != {dict}:
            return None
        return ItemColumns(
            plain_keys([item["unique_key"] for item in items]),
            plain_amounts([item["amount"] for item in items]),
            plain_moments([item["originated_at"] for item in items]),
            plain_descriptions([item.get("description", "") for item in items]),
            plain_units([item.get("units") for item in items]),
            _meta([item.get("meta", _NO_META) for item in items]),
        )
    # A UnicodeEncodeError is a ValueError; a list or a dict where a text belongs, a TypeError.
    except (KeyError, ValueError, TypeError):
        return None


_NO_META: dict[str, object] = {}


def plain_amounts(values: list[Any]) -> list[str]:
    types = set(map(type, values))
    if not types <= _NUMBERS:
        raise ValueError
    texts = values if types == {str} else [*map(str, values)]
    _require_all(_AMOUNTS, texts)
    return texts


def plain_moments(values: list[Any]) -> list[str]:
    if set(map(type, values)) != {str}:
        raise ValueError
    _require_all(_MOMENTS, values)
    # There is no 30th of February: a ValueError.
    deque(map(datetime.fromisoformat, values), maxlen=0)
    return values


def _require_all(lines: re.Pattern[str], values: list[str]) -> None:
    joined = "\n".join(values)
    # A value with a line break in it would pass for two.
    if joined.count("\n") != len(values) - 1 or not lines.fullmatch(joined):
        raise ValueError


def plain_keys(values: list[Any]) -> list[str]:
    if set(map(type, values)) != {str}:
        raise ValueError
    _require_storable(values, 1, _KEY_CHARS_MAX)
    return values


def plain_descriptions(values: list[Any]) -> list[str]:
    """Columns repeat themselves: each value is looked at once."""
    distinct = set(values)
    if set(map(type, distinct)) != {str}:
        raise ValueError
    _require_storable(distinct, 0, _TEXT_CHARS_MAX)
    return values


def plain_units(values: list[Any]) -> list[str | None]:
    return _some_texts(values, _KEY_CHARS_MAX)


def _some_texts(values: list[Any], most: int) -> list[str | None]:
    """The same, some of them None. Nothing else is equal to a text: what is not one shows."""
    distinct = set(values)
    distinct.discard(None)
    if not set(map(type, distinct)) <= {str}:
        raise ValueError
    _require_storable(distinct, 0, most)
    return values


def _require_storable(texts: Collection[str], least: int, most: int) -> None:
    lengths = set(map(len, texts))
    if lengths and not (least <= min(lengths) and max(lengths) <= most):
        raise ValueError
    joined = "".join(texts)
    joined.encode()  # raises for a lone surrogate
    if "\x00" in joined:
        raise ValueError


def _meta(metas: list[Any]) -> dict[str, list[str | None]]:
    if set(map(type, metas)) != {dict}:
        raise ValueError
    # In the order in which they come, so that the first to be refused is the first that came.
    labels = dict.fromkeys(chain.from_iterable(metas))
    if len(labels) > _LABELS_MAX:
        raise ValueError
    _require_storable(labels, 1, _LABEL_CHARS_MAX)
    has_nulls = None in chain.from_iterable(map(dict.values, metas))
    return {label: _values(label, metas, has_nulls=has_nulls) for label in labels}


def _values(label: str, metas: list[dict[str, Any]], *, has_nulls: bool) -> list[str | None]:
    values = [meta.get(label) for meta in metas]
    if has_nulls:
        values = [_given(meta[label]) if label in meta else None for meta in metas]
    return plain_values(values)


def plain_values(values: list[Any]) -> list[str | None]:
    try:
        return _some_texts(values, _TEXT_CHARS_MAX)
    except ValueError:
        # Numbers, perhaps.
        return _some_texts([number_as_text(value) for value in values], _TEXT_CHARS_MAX)


def _given(value: object) -> object:
    return "" if value is None else value


def _read(value: object, handler: ValidatorFunctionWrapHandler) -> ItemColumns:
    if isinstance(value, ItemColumns):
        return value
    columns = None
    if type(value) is list and 1 <= len(value) <= BATCH_RECORDS_MAX:
        columns = _plain(value)
    return columns or ItemColumns.of(handler(value))


_Items = Annotated[tuple[Item, ...], Field(min_length=1, max_length=BATCH_RECORDS_MAX)]


class ItemBatch(Message):
    """`RecordItems` for who reads many: the same message, its items as columns. It is not sent;
    `RecordColumns` is."""

    kind: Literal["record.items.v1"] = "record.items.v1"
    store_id: Id
    register_id: Id
    items: Annotated[
        ItemColumns,
        GetPydanticSchema(
            lambda _, handler: core_schema.no_info_wrap_validator_function(_read, handler(_Items))
        ),
    ]

    @classmethod
    def of(cls, message: RecordItems) -> Self:
        return cls(
            message_id=message.message_id,
            sent_at=message.sent_at,
            traceparent=message.traceparent,
            store_id=message.store_id,
            register_id=message.register_id,
            items=ItemColumns.of(message.items),
        )
