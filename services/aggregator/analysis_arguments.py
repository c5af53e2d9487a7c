"""What an analysis may ask, and all that is wrong with it at once.

Comes in: `AggregateAnalysis`, its arguments of any JSON type, and the labels of its register. Goes
out: `Analysis`, or `InvalidArgumentError` with a detail for each problem: first what the three
calls check, in their order and words, then what is an analysis's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from services.aggregator.arguments import (
    Grouping,
    Measure,
    Scope,
    check_instant,
    check_labels,
    check_period,
    check_register_id,
    check_timezone,
    invalid_register,
    is_offset_of,
    shown,
)
from shared.contracts.analyses import AggregateAnalysis, AnalysisArguments
from shared.contracts.failures import FailureDetail
from shared.contracts.recording import META_COLUMNS
from shared.errors import InvalidArgumentError

T = TypeVar("T")
PROBLEMS_MAX = 100


@dataclass(frozen=True, slots=True)
class Analysis:
    """A question as it was understood. `filter` names labels; `column_of` has their columns.
    `order_by` is None for the order of the groups themselves."""

    scope: Scope
    grouping: Grouping
    measures: tuple[str, ...]
    filter: Mapping[str, Any] | None
    column_of: Mapping[str, str]
    order_by: str | None
    is_descending: bool
    limit: int | None
    has_totals: bool
    is_compared: bool


@dataclass(slots=True)
class _Problems:
    found: list[FailureDetail] = field(default_factory=list)

    def note(self, name: str, reason: str) -> None:
        if len(self.found) < PROBLEMS_MAX:
            self.found.append(FailureDetail(field=name, reason=reason))

    def attempt(self, name: str, check: Callable[[], T]) -> T | None:
        try:
            return check()
        except InvalidArgumentError as error:
            self.note(name, error.message)
            return None


def register_id_of(query: AggregateAnalysis) -> int | None:
    """The register to look up, if one is named at all."""
    try:
        return check_register_id(query.arguments.get("register_id"))
    except InvalidArgumentError:
        return None


def check_analysis(query: AggregateAnalysis, meta: Mapping[str, str] | None) -> Analysis:
    """`meta` maps physical columns to labels; None: the store has no such register."""
    problems, raw = _Problems(), query.arguments
    timezone = problems.attempt("timezone", lambda: check_timezone(raw.get("timezone")))
    start_at, end_at = _bounds(problems, raw, timezone)
    if meta is None:
        problems.note("register_id", invalid_register().message)
    period = problems.attempt("group_by_period", lambda: check_period(raw.get("group_by_period")))
    column_of = {meta[c]: c for c in reversed(META_COLUMNS) if c in meta} if meta else {}
    labels: tuple[str, ...] | None = ()
    if meta is not None:
        labels = problems.attempt("group_by", lambda: check_labels(raw.get("group_by"), column_of))
    if not isinstance(raw.get("invert_sign"), bool | None):
        problems.note("invert_sign", "Invalid invert_sign: it must be true or false")
    own = _own(problems, raw)
    if own is not None and own.filter is not None and meta is not None:
        for path, label in _labels_in(own.filter, "filter"):
            if label not in column_of:
                problems.note(path, f"{shown(label)} is not a meta-column for register")
    if problems.found or own is None or start_at is None or end_at is None or labels is None:
        raise _refusal(problems.found)
    order = own.order if isinstance(own.order, dict) else None
    return Analysis(
        scope=Scope(
            # All that plans ask of it is whether amounts are needed.
            measure=Measure.SUM if {*own.measures} & {"sum", "average"} else Measure.COUNT,
            timezone=timezone or "UTC",
            start_at=start_at,
            end_at=end_at,
            store_id=query.store_id,
            register_id=check_register_id(raw.get("register_id")),
        ),
        grouping=Grouping(
            period=period,
            labels=labels,
            columns=tuple(column_of[label] for label in labels),
            invert_sign=own.invert_sign is True,
        ),
        measures=tuple(own.measures),
        filter=own.filter,
        column_of=column_of,
        order_by=order["measure"] if order else None,
        is_descending=order is not None and order.get("direction", "desc") == "desc",
        limit=own.limit,
        has_totals=own.totals is True,
        is_compared=own.compare is not None,
    )


def _bounds(
    problems: _Problems, raw: Mapping[str, Any], timezone: str | None
) -> tuple[datetime | None, datetime | None]:
    """Rules 3 to 5, in UTC; a rule that needs a value which is wrong already says nothing."""
    start_at = problems.attempt("start_at", lambda: check_instant("start_at", raw.get("start_at")))
    end_at = problems.attempt("end_at", lambda: check_instant("end_at", raw.get("end_at")))
    for name, instant in (("start_at", start_at), ("end_at", end_at)):
        if instant and timezone is not None and not is_offset_of(instant, timezone):
            problems.note(name, "timezone mismatched from time range timezones")
    if start_at and end_at and start_at >= end_at:
        problems.note("start_at", "start_at must be earlier than end_at")
    return (start_at and start_at.astimezone(UTC), end_at and end_at.astimezone(UTC))


def _own(problems: _Problems, raw: Mapping[str, Any]) -> AnalysisArguments | None:
    """What the three calls do not have."""
    try:
        own = AnalysisArguments.model_validate(raw)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            reason = one["msg"].removeprefix("Value error, ")
            problems.note(_path(one["loc"]), f"{_path(one['loc'])}: {reason}")
        return None
    if isinstance(own.order, dict) and own.order["measure"] not in own.measures:
        problems.note("order.measure", "order.measure: must be one of the measures")
    return own


def _path(location: tuple[int | str, ...]) -> str:
    """`filter.and.0.label`: without the names of the alternatives that pydantic tried."""
    parts: list[str] = []
    was_choice = False
    for part in location:
        if not was_choice:
            parts.append(str(part))
        was_choice = not was_choice and (isinstance(part, int) or part in ("filter", "order"))
    return ".".join(parts)


def _labels_in(one: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """(where it stands, label) for each condition."""
    for name in ("and", "or"):
        for number, inner in enumerate(one.get(name, ())):
            yield from _labels_in(inner, f"{path}.{name}.{number}")
    if "label" in one:
        yield f"{path}.label", one["label"]


def _refusal(found: list[FailureDetail]) -> InvalidArgumentError:
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return InvalidArgumentError(found[0].reason + more, details=tuple(found))
