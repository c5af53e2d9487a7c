"""Check a request for a report. Everything that is wrong is told at once.

Comes in: `ReportArguments` as the caller wrote them, and the store. Goes out: a `NewReport`, or
`InvalidArgumentError` with one detail for each thing that is wrong (docs/http.md, vnd.error).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from types import NoneType
from typing import TypeVar
from zoneinfo import ZoneInfo

from shared.contracts.failures import FailureDetail
from shared.contracts.reports import ReportArguments, ReportFormat, ReportName
from shared.database.accounts import Store
from shared.database.reports import NewReport
from shared.errors import InvalidArgumentError
from shared.reporting.wall_clock import instant_of, parse_wall_clock

LATEST_VERSION = "1"
VERSION_CHARACTERS_MAX = 50
_VERSIONS = (None, "", 1, LATEST_VERSION)
# What the report workers of this version can build.
NAMES = tuple(ReportName)
FORMATS = tuple(ReportFormat)

_Choice = TypeVar("_Choice", bound=StrEnum)


class _Checks:
    """Collects what is wrong, so that the caller can mend it in one go."""

    def __init__(self) -> None:
        self.details: list[FailureDetail] = []

    def refuse(self, field: str, reason: str) -> None:
        self.details.append(FailureDetail(field=field, reason=f"{field} {reason}"))

    def choice(self, field: str, value: object, choices: tuple[_Choice, ...]) -> _Choice | None:
        for choice in choices:
            if value == choice.value:
                return choice
        listed = ", ".join(choice.value for choice in choices)
        self.refuse(
            field,
            "is required" if value in (None, "") else f"must be one of the following: {listed}",
        )
        return None

    def version(self, value: object) -> None:
        if isinstance(value, str) and len(value) > VERSION_CHARACTERS_MAX:
            self.refuse("version", f"must not be longer than {VERSION_CHARACTERS_MAX} characters")
        # By type as well: True and 1.0 equal 1.
        elif type(value) not in (str, int, NoneType) or value not in _VERSIONS:
            self.refuse("version", f"must be {LATEST_VERSION}, or empty for the latest")

    def wall_clock(self, field: str, value: object) -> datetime | None:
        if value in (None, ""):
            self.refuse(field, "is required")
            return None
        try:
            return parse_wall_clock(value if isinstance(value, str) else "")
        except ValueError as error:
            self.refuse(field, str(error))
            return None

    def flag(self, field: str, value: object) -> bool:
        if value in (None, "", False, "false", "0"):
            return False
        if value is True or value in ("true", "1"):
            return True
        self.refuse(field, "must be true or false")
        return False


def check_request(
    arguments: ReportArguments, store: Store, *, user_id: int, traceparent: str | None = None
) -> NewReport:
    """The report that is asked for. Raises `InvalidArgumentError` naming all that is wrong."""
    checks = _Checks()
    name = checks.choice("name", arguments.name, NAMES)
    checks.version(arguments.version)
    start = checks.wall_clock("datetime_start", arguments.datetime_start)
    end = checks.wall_clock("datetime_end", arguments.datetime_end)
    format_ = checks.choice("format", arguments.format or ReportFormat.CSV.value, FORMATS)
    compress = checks.flag("compress", arguments.compress)
    zone = ZoneInfo(store.timezone)
    range_start = instant_of(start, zone, is_end=False) if start else None
    range_end = instant_of(end, zone, is_end=True) if end else None
    if range_start and range_end and range_end <= range_start:
        checks.refuse("datetime_end", "must be later than datetime_start")
    if checks.details or not (name and format_ and range_start and range_end):
        raise InvalidArgumentError(
            "; ".join(detail.reason for detail in checks.details), details=tuple(checks.details)
        )
    return NewReport(
        store_id=store.store_id,
        user_id=user_id,
        name=name,
        version=LATEST_VERSION,
        format=format_,
        compress=compress,
        timezone=store.timezone,
        range_start=range_start,
        range_end=range_end,
        traceparent=traceparent,
    )
