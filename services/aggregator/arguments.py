"""What a caller may ask. Checked in the order of docs/http.md; the first that fails is the answer.

Comes in: `AggregateQuery`, its arguments of any JSON type. Goes out: `Scope` (rules 1 to 6, as far
as they need no database) and `Grouping` (rules 7 and 8, which need the register's labels), or
`InvalidArgumentError` whose message is the whole text of the refusal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from services.aggregator.instants import parse_instant
from services.aggregator.periods import PeriodKind
from shared.contracts.aggregations import AggregateArguments, AggregateQuery
from shared.contracts.message import ID_MAX
from shared.contracts.recording import META_COLUMNS
from shared.errors import InvalidArgumentError

# In the folder of some machines, but nobody's time zone.
_NOT_ZONES = frozenset({"Factory", "localtime", "posixrules"})
SHOWN_CHARACTERS_MAX = 100


class Measure(StrEnum):
    COUNT = "item_count"
    SUM = "item_sum"
    AVERAGE = "item_average"

    @property
    def word(self) -> str:
        """As in titles: `Count`."""
        return self.value.removeprefix("item_").capitalize()


@dataclass(frozen=True, slots=True)
class Scope:
    """Which items, of which register, seen in which zone. Both bounds (UTC) are inclusive."""

    measure: Measure
    timezone: str
    start_at: datetime
    end_at: datetime
    store_id: int
    register_id: int

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


@dataclass(frozen=True, slots=True)
class Grouping:
    """How the items are put together. `columns` are the physical ones, in the labels' order."""

    period: PeriodKind | None
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    invert_sign: bool


def check_scope(query: AggregateQuery) -> Scope:
    """Rules 1 to 6. That the register exists and is the store's is for the database to say."""
    arguments = query.arguments
    measure = _measure(query.measure)
    timezone = check_timezone(arguments.timezone)
    start_at = check_instant("start_at", arguments.start_at)
    end_at = check_instant("end_at", arguments.end_at)
    if timezone is not None and not (
        is_offset_of(start_at, timezone) and is_offset_of(end_at, timezone)
    ):
        raise InvalidArgumentError("timezone mismatched from time range timezones")
    if start_at >= end_at:
        raise InvalidArgumentError("start_at must be earlier than end_at")
    return Scope(
        measure=measure,
        timezone=timezone or "UTC",
        start_at=start_at.astimezone(UTC),
        end_at=end_at.astimezone(UTC),
        store_id=query.store_id,
        register_id=check_register_id(arguments.register_id),
    )


def check_grouping(arguments: AggregateArguments, meta: Mapping[str, str]) -> Grouping:
    """Rules 7 and 8, then our own `invert_sign`. `meta` maps physical columns to labels."""
    period = check_period(arguments.group_by_period)
    column_of = {meta[column]: column for column in reversed(META_COLUMNS) if column in meta}
    labels = check_labels(arguments.group_by, column_of)
    if not isinstance(arguments.invert_sign, bool | None):
        raise InvalidArgumentError("Invalid invert_sign: it must be true or false")
    return Grouping(
        period=period,
        labels=labels,
        columns=tuple(column_of[label] for label in labels),
        invert_sign=arguments.invert_sign is True,
    )


def invalid_register() -> InvalidArgumentError:
    """One answer for a register that is missing, unknown or somebody else's."""
    return InvalidArgumentError("Invalid register_id")


@lru_cache(maxsize=1)
def timezone_names() -> frozenset[str]:
    """Every IANA name, aliases included. Reads a folder of some hundred files, hence once."""
    return frozenset(available_timezones()) - _NOT_ZONES


def _measure(name: str) -> Measure:
    try:
        return Measure(name)
    except ValueError:
        raise InvalidArgumentError(f"unpermitted report: {shown(name)}") from None


def check_timezone(value: object) -> str | None:
    """Rule 2. None when none is given."""
    if value is None:
        return None
    if not isinstance(value, str) or value not in timezone_names():
        raise InvalidArgumentError(f"Invalid timezone: {shown(value)}")
    return value


def check_instant(name: str, value: object) -> datetime:
    """Rule 3: the instant, with the offset that it was written with."""
    try:
        return parse_instant(value)
    except ValueError:
        raise InvalidArgumentError(f"Invalid {name}: invalid xmlschema format") from None


def is_offset_of(instant: datetime, timezone: str) -> bool:
    """Rule 4: whether the zone has the offset then, or as its standard one; `Z` always passes."""
    written = instant.utcoffset()
    if not written:
        return True
    local = instant.astimezone(ZoneInfo(timezone))
    offset = local.utcoffset() or timedelta(0)
    return written in (offset, offset - (local.dst() or timedelta(0)))


def check_register_id(value: object) -> int:
    """Rule 6, as far as it needs no database."""
    # `true` is an int to Python and `1.0` equals one: neither is an id.
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= ID_MAX:
        return value
    raise invalid_register()


def check_period(value: object) -> PeriodKind | None:
    """Rule 7."""
    if value is None:
        return None
    # ASCII only: lower() would make a `k` of the kelvin sign.
    if isinstance(value, str) and value.isascii():
        name = value.lower()
        if name in ("", "all"):
            return None
        if name in set(PeriodKind):
            return PeriodKind(name)
    raise InvalidArgumentError(f"Invalid group by period: {shown(value)}")


def check_labels(value: object, column_of: Mapping[str, str]) -> tuple[str, ...]:
    """Rule 8: the labels, each once. `column_of` has the register's labels."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise InvalidArgumentError("Invalid group_by, it must be a list of labels")
    for label in value:
        if not isinstance(label, str) or label not in column_of:
            raise InvalidArgumentError(
                f"Invalid group_by, {shown(label)} is not a meta-column for register"
            )
    return tuple(dict.fromkeys(value))


def shown(value: Any) -> str:
    """The refused value in a message: text as it is, anything else as JSON, neither too long."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    if len(text) > SHOWN_CHARACTERS_MAX:
        text = text[:SHOWN_CHARACTERS_MAX] + "…"
    # A lone surrogate is a string to Python and cannot be sent.
    return text.encode(errors="replace").decode()
