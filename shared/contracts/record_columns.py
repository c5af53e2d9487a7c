"""Items by column, as the gateway sends them on: half the bytes, and a quarter of the reading.

Comes in: columns that anybody may have written, or `ItemColumns` that were checked here. Goes out:
`RecordColumns`. Each column is checked whole, at the speed of C; where it is not plain, value by
value, as `Item` does it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetPydanticSchema, ValidatorFunctionWrapHandler, model_validator
from pydantic_core import core_schema, to_json

from shared.contracts.item_columns import (
    ItemColumns,
    plain_amounts,
    plain_descriptions,
    plain_keys,
    plain_moments,
    plain_units,
    plain_values,
)
from shared.contracts.message import (
    Amount,
    Id,
    Key,
    Label,
    Message,
    MetaValue,
    Moment,
    ShortText,
    Text,
)
from shared.contracts.recording import BATCH_RECORDS_MAX, META_COLUMNS

_BOUNDS = Field(min_length=1, max_length=BATCH_RECORDS_MAX)


def _column(
    check: Callable[[list[Any]], Any], value: Any, text_of: Callable[[Any], object] | None = None
) -> GetPydanticSchema:
    """A list that `check` takes whole; otherwise each is read as a `value`, and kept as text."""
    each = Annotated[tuple[value, ...], _BOUNDS]

    def read(given: object, handler: ValidatorFunctionWrapHandler) -> list[Any]:
        if type(given) is list and 1 <= len(given) <= BATCH_RECORDS_MAX:
            try:
                return list(check(given))
            # A UnicodeEncodeError is a ValueError; a list where a text belongs, a TypeError.
            except (ValueError, TypeError):
                pass
        return [*map(text_of, handler(given))] if text_of else [*handler(given)]

    return GetPydanticSchema(
        lambda _, handler: core_schema.no_info_wrap_validator_function(read, handler(each))
    )


class RecordColumns(Message):
    """Append items to a register, all or none: their fields as lists, in one order. Of
    `descriptions` and `units`, none stands for those of an item that names none; in `meta`, null
    for an item that does not name the label. Reply: `Recorded`."""

    kind: Literal["record.columns.v1"] = "record.columns.v1"
    store_id: Id
    register_id: Id
    unique_keys: Annotated[list[str], _column(plain_keys, Key)]
    amounts: Annotated[list[str], _column(plain_amounts, Amount, Decimal.__str__)]
    moments: Annotated[list[str], _column(plain_moments, Moment, datetime.isoformat)]
    descriptions: Annotated[list[str], _column(plain_descriptions, Text)] | None = None
    units: Annotated[list[str | None], _column(plain_units, ShortText | None)] | None = None
    meta: dict[Label, Annotated[list[str | None], _column(plain_values, MetaValue | None)]] = Field(
        default_factory=dict, max_length=len(META_COLUMNS)
    )

    @classmethod
    def of(cls, store_id: int, register_id: int, items: ItemColumns) -> RecordColumns | None:
        """Items that were checked; None if they name more labels than any register has."""
        if len(items.meta) > len(META_COLUMNS):
            return None
        return cls.model_construct(
            store_id=store_id,
            register_id=register_id,
            unique_keys=items.unique_keys,
            amounts=items.amounts,
            moments=items.moments,
            descriptions=items.descriptions if any(items.descriptions) else None,
            units=None if set(items.units) == {None} else items.units,
            meta=items.meta,
        )

    @model_validator(mode="after")
    def _lists_are_as_long(self) -> Self:
        for name, column in self._columns():
            if len(column) != len(self.unique_keys):
                raise ValueError(f"{name}: must be as many as unique_keys")
        return self

    def _columns(self) -> list[tuple[str, list[Any]]]:
        found: list[tuple[str, list[Any]]] = [("amounts", self.amounts), ("moments", self.moments)]
        found += [(f"meta.{label}", values) for label, values in self.meta.items()]
        if self.descriptions is not None:
            found.append(("descriptions", self.descriptions))
        if self.units is not None:
            found.append(("units", self.units))
        return found

    @property
    def items(self) -> ItemColumns:
        """What it is about."""
        count = len(self.unique_keys)
        return ItemColumns(
            self.unique_keys,
            self.amounts,
            self.moments,
            [""] * count if self.descriptions is None else self.descriptions,
            [None] * count if self.units is None else self.units,
            self.meta,
        )

    def to_json(self) -> bytes:
        """See `Message`. The columns are texts already."""
        columns = {
            name: getattr(self, name)
            for name in ("unique_keys", "amounts", "moments", "descriptions", "units", "meta")
        }
        envelope = self.model_dump_json(exclude=set(columns)).encode()
        return b"%b,%b" % (envelope.removesuffix(b"}"), to_json(columns)[1:])
