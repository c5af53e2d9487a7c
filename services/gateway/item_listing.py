"""Items of a register, in order: by when they originated, then by key.

Comes in: a register and what is asked for. Goes out: a page, or all of it as CSV, piece by piece.

A ledger is only appended to, and each item bears the register's version that its writing made. So
a walk through the pages keeps to the version of its first page, and sees what was there then:
nothing twice, nothing left out, whatever is recorded meanwhile.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import asyncpg
import orjson
from pydantic import Field, StrictInt, TypeAdapter

from shared.contracts.message import ID_MAX, Text
from shared.contracts.recording import META_COLUMNS
from shared.database.copied_csv import COPY_OPTIONS, RECORD_END, Records
from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.database.registers import Register
from shared.errors import InvalidArgumentError

_SQL = load_queries(__file__)

FIELDS = ("unique_key", "description", "amount", "units", "originated_at")
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLACE = TypeAdapter(tuple[Annotated[int, Field(strict=True, ge=0, le=ID_MAX)], StrictInt, Text])
# Texts are guarded against formulas as in every export; amounts and times are what they are.
_RENDERED = {
    "amount": "amount::text",
    "originated_at": (
        "to_char(originated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    ),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Behind which item to go on, and the version that the walk keeps to."""

    version: int
    moment: datetime
    key: str

    def text(self) -> str:
        """For the caller to send back; what is in it is nobody's business."""
        micros = (self.moment - _EPOCH) // _MICROSECOND
        return (
            base64.urlsafe_b64encode(orjson.dumps([self.version, micros, self.key]))
            .rstrip(b"=")
            .decode()
        )

    @classmethod
    def read(cls, text: str) -> Place:
        """Raises `InvalidArgumentError` for what `text()` never gave."""
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            json = base64.b64decode(padded, b"-_", validate=True)
            version, micros, key = _PLACE.validate_json(json)
            return cls(version, _EPOCH + micros * _MICROSECOND, key)
        except (ValueError, OverflowError):
            raise InvalidArgumentError("after is no place that an answer named") from None


@dataclass(frozen=True, slots=True)
class Wanted:
    """`start` and `end` are inclusive; of each label in `values`, an item has one of them."""

    start: datetime
    end: datetime
    values: Mapping[str, Sequence[str]]

    def arguments(self, register: Register, place: Place | None) -> list[Any]:
        """What the query takes. Raises `InvalidArgumentError` for an unknown label."""
        columns = {label: column for column, label in register.meta.items()}
        for label in self.values:
            if label not in columns:
                raise InvalidArgumentError(
                    f"meta[{label}]: {label} is not a meta-column of register"
                )
        by_column = {columns[label]: list(values) for label, values in self.values.items()}
        place = place or Place(register.version, self.start, "")
        return [
            register.store_id,
            register.register_id,
            min(place.version, register.version),
            *max((self.start, ""), (place.moment, place.key)),
            self.end,
            *(by_column.get(column) for column in META_COLUMNS),
        ]


async def page(
    connection: Connection, register: Register, wanted: Wanted, place: Place | None, *, limit: int
) -> tuple[list[dict[str, Any]], Place | None]:
    """Up to `limit` items as callers see them, and where the next page begins, if there is one."""
    arguments = wanted.arguments(register, place)
    rows = await connection.fetch(
        f"{_SQL['items']} LIMIT ${len(arguments) + 1}", *arguments, limit + 1
    )
    items = [_represent(row, register) for row in rows[:limit]]
    if len(rows) <= limit:
        return items, None
    last = rows[limit - 1]
    return items, Place(arguments[2], last["originated_at"], last["unique_key"])


def _represent(row: asyncpg.Record, register: Register) -> dict[str, Any]:
    """Amounts are text, so that no reader rounds them; a missing value is ""."""
    return {
        "unique_key": row["unique_key"],
        "description": row["description"],
        "amount": format(row["amount"], "f"),
        "units": row["units"],
        "originated_at": moment_text(row["originated_at"]),
        "meta": {label: row[column] or "" for column, label in register.meta.items()},
    }


def moment_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def copy_csv(
    connection: Connection,
    register: Register,
    wanted: Wanted,
    write: Callable[[bytes], Awaitable[None]],
    *,
    seconds_max: float,
) -> None:
    """Everything, under a header, from one snapshot, as fast as `write` takes it."""
    arguments = wanted.arguments(register, None)
    columns = (*FIELDS, *register.meta)
    cells = ", ".join(_RENDERED.get(column, _text(column)) for column in columns)
    records = Records()

    async def take(data: bytes) -> None:
        if whole := records.take(data):
            await write(whole)

    await write(_header(register))
    await connection.copy_from_query(
        f"SELECT {cells}, {RECORD_END} FROM ({_SQL['items']}) AS items",  # noqa: S608 - ours
        *arguments,
        output=take,
        encoding="utf8",
        timeout=seconds_max,
        **COPY_OPTIONS,
    )
    records.finish()


def _text(column: str) -> str:
    """An empty text is written as nothing, not as quotation marks."""
    return f"nullif(export_text({column}), '')"


def _header(register: Register) -> bytes:
    """Labels are texts that somebody chose, so they are guarded like all others."""
    text = io.StringIO()
    labels = [
        f"'{label}" if label.startswith(("=", "+", "-", "@", "\t", "\r")) else label
        for label in register.meta.values()
    ]
    csv.writer(text).writerow([*FIELDS, *labels])
    return text.getvalue().encode()
