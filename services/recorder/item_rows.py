"""Items as PostgreSQL's COPY reads them: rows of text, made column by column.

Comes in: `ItemColumns` and their register. Goes out: `ItemRows`. Making a row costs a microsecond
this way; handing the driver a tuple costs three, and an object for each item twenty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.failures import FailureDetail
from shared.contracts.item_columns import ItemColumns
from shared.database.registers import Register
from shared.errors import InvalidArgumentError

DETAILS_MAX = 20
# How many rows are made at a time: the database has something to do from the first of them on.
_ROWS_AT_ONCE = 2_000
# What text of COPY writes otherwise, the backslash first of all.
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_NULL = "\\N"
# Of every row; the meta columns that are in use come behind them.
COLUMNS = ("unique_key", "amount", "originated_at", "description", "units")


@dataclass(frozen=True, slots=True)
class ItemRows:
    """Rows without what all of them have in common. They are made while they are asked for."""

    items: ItemColumns
    register: Register

    def __len__(self) -> int:
        return len(self.items)

    @property
    def columns(self) -> tuple[str, ...]:
        """The physical columns of the rows."""
        return (*COLUMNS, *self.register.meta)

    def text(self, before: str) -> Iterator[bytes]:
        """The rows for COPY, each behind the same values (tab-separated, without the last tab)."""
        between = f"\n{before}\t"
        for start in range(0, len(self), _ROWS_AT_ONCE):
            cells = self._cells(slice(start, start + _ROWS_AT_ONCE))
            rows = between.join(map("\t".join, zip(*cells, strict=True)))
            yield f"{before}\t{rows}\n".encode()

    def numbered_text(self, before: str) -> bytes:
        """The same with the row's number, from 0, behind those values."""
        numbers = map(str, range(len(self)))
        rows = map("\t".join, zip(numbers, *self._cells(slice(None)), strict=True))
        return "".join(f"{before}\t{row}\n" for row in rows).encode()

    def _cells(self, part: slice) -> list[list[str]]:
        """Column by column."""
        items = self.items
        keys = _keys(items.unique_keys[part])
        absent = [_NULL] * len(keys)
        return [
            keys,
            items.amounts[part],
            items.moments[part],
            _cells(items.descriptions[part], {}),
            _cells(items.units[part], {None: _escaped(self.register.units)}),
            # A missing value and an empty one are the same thing.
            *(
                _cells(items.meta[label][part], {None: _NULL, "": _NULL})
                if label in items.meta
                else absent
                for label in self.register.meta.values()
            ),
        ]


def rows_of(items: ItemColumns, register: Register) -> ItemRows:
    """The items by physical column. Raises `InvalidArgumentError` naming every unknown label."""
    _require_known_labels(items, register)
    return ItemRows(items, register)


def _cells(values: list[Any], written: Mapping[str | None, str]) -> list[str]:
    """As COPY reads them, some of them as given. Most columns hold nothing that is written
    otherwise: those are what they are."""
    distinct = set(values)
    as_given = distinct & written.keys()
    if _has_special(distinct - as_given):
        cells = {value: _escaped(value) for value in distinct - as_given}
        return [*map({**cells, **written}.__getitem__, values)]
    return [*map(written.get, values, values)] if as_given else values


def _keys(values: list[str]) -> list[str]:
    """The same for values that are all different, of which few hold what is written otherwise."""
    return [*map(_escaped, values)] if _has_special(values) else values


def _has_special(values: Iterable[str]) -> bool:
    joined = "".join(values)
    return any(special in joined for special in _ESCAPES)


def _escaped(value: str) -> str:
    for special, escape in _ESCAPES.items():
        value = value.replace(special, escape)
    return value


def _require_known_labels(items: ItemColumns, register: Register) -> None:
    known = set(register.meta.values())
    unknown = sorted(
        (
            (index, label)
            for label in items.meta
            if label not in known
            for index in items.naming(label)
        ),
        key=lambda found: found[0],
    )
    if unknown:
        details = tuple(
            FailureDetail(
                index=index,
                field=f"meta.{label}",
                reason="is not a meta-column of the register",
            )
            for index, label in unknown[:DETAILS_MAX]
        )
        raise InvalidArgumentError(
            f"item {details[0].index}: {details[0].field} {details[0].reason}", details=details
        )
