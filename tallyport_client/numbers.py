"""Counts, sums, averages; several measures at once.

Comes in: a register, a range, what to group by. Goes out: exact numbers, never a float.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from tallyport_client.exact import instant, to_json
from tallyport_client.models import (
    Analysis,
    AnalysisRow,
    Group,
    GroupedNumbers,
    Number,
    NumberRow,
)
from tallyport_client.transport import Reply, Transport

Period = Literal["day", "week", "month", "quarter", "year"]
Measure = Literal["count", "sum", "average", "min", "max"]
Instant = datetime | str


class AsyncNumbers:
    """Bounds are inclusive. A `datetime` needs an offset; text goes as it is."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def count(
        self,
        register_id: int,
        start_at: Instant,
        end_at: Instant,
        *,
        group_by_period: Period | None = None,
        group_by: Sequence[str] = (),
        timezone: str | None = None,
    ) -> GroupedNumbers:
        """How many items there are."""
        arguments = _arguments(register_id, start_at, end_at, group_by_period, group_by, timezone)
        return await self._grouped("item_count", arguments)

    async def sum(
        self,
        register_id: int,
        start_at: Instant,
        end_at: Instant,
        *,
        group_by_period: Period | None = None,
        group_by: Sequence[str] = (),
        timezone: str | None = None,
        invert_sign: bool = False,
    ) -> GroupedNumbers:
        """The sums of their amounts, exact."""
        arguments = _arguments(register_id, start_at, end_at, group_by_period, group_by, timezone)
        return await self._grouped("item_sum", {**arguments, "invert_sign": invert_sign})

    async def average(
        self,
        register_id: int,
        start_at: Instant,
        end_at: Instant,
        *,
        group_by_period: Period | None = None,
        group_by: Sequence[str] = (),
        timezone: str | None = None,
        invert_sign: bool = False,
    ) -> GroupedNumbers:
        """The averages of their amounts, to at least 15 significant digits."""
        arguments = _arguments(register_id, start_at, end_at, group_by_period, group_by, timezone)
        return await self._grouped("item_average", {**arguments, "invert_sign": invert_sign})

    async def query(
        self,
        register_id: int,
        start_at: Instant,
        end_at: Instant,
        *,
        measures: Sequence[Measure] = ("count", "sum"),
        group_by_period: Period | None = None,
        group_by: Sequence[str] = (),
        timezone: str | None = None,
        invert_sign: bool = False,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the service's word
        order: Literal["group"] | Mapping[str, str] | None = None,
        limit: int | None = None,
        totals: bool = False,
        compare: Literal["previous_period"] | None = None,
    ) -> Analysis:
        """Several measures in one question; docs/http.md has the language of `filter`."""
        arguments = {
            **_arguments(register_id, start_at, end_at, group_by_period, group_by, timezone),
            "invert_sign": invert_sign,
            "measures": list(measures),
            "filter": filter,
            "order": order,
            "limit": limit,
            "totals": totals,
            "compare": compare,
        }
        return _analysis(await self._ask("query", arguments))

    async def _grouped(self, name: str, arguments: Mapping[str, Any]) -> GroupedNumbers:
        reply = await self._ask(name, arguments)
        content = reply.json()
        rows = tuple(
            NumberRow(row["period"], _group(row["group"]), _number(name, row["value"]))
            for row in content["count"]
        )
        return GroupedNumbers(content["title"], rows, *_headers(reply))

    async def _ask(self, name: str, arguments: Mapping[str, Any]) -> Reply:
        # A question changes nothing, whatever its method.
        return await self._transport.call(
            "POST", f"/reports/{name}", content=to_json(arguments), repeatable=True
        )


def _arguments(  # noqa: PLR0917 - those that all calls begin with, in their order
    register_id: int,
    start_at: Instant,
    end_at: Instant,
    period: str | None,
    group_by: Sequence[str],
    timezone: str | None,
) -> dict[str, Any]:
    if isinstance(group_by, str):
        raise TypeError("group_by is a list of labels, not one text")
    return {
        "register_id": register_id,
        "start_at": instant(start_at),
        "end_at": instant(end_at),
        "group_by_period": period,
        "group_by": list(group_by),
        "timezone": timezone,
    }


def _number(measure: str, value: Number) -> Number:
    return int(value) if measure.endswith("count") else Decimal(value)


def _group(group: Any) -> Group:
    return tuple(group) if isinstance(group, list) else str(group)


def _headers(reply: Reply) -> tuple[str | None, str | None]:
    return reply.headers.get("ETag"), reply.headers.get("Tallyport-Plan")


def _values(values: Mapping[str, Number | None]) -> dict[str, Number | None]:
    return {name: None if one is None else _number(name, one) for name, one in values.items()}


def _row(row: Mapping[str, Any]) -> AnalysisRow:
    return AnalysisRow(
        row.get("period"),
        _group(row["group"]) if "group" in row else None,
        _values(row["values"]),
        _values(row["previous"]) if "previous" in row else None,
        bool(row.get("other")),
    )


def _analysis(reply: Reply) -> Analysis:
    content = reply.json()
    totals, compared = content.get("totals"), content.get("compared_with")
    etag, plan = _headers(reply)
    return Analysis(
        title=content["title"],
        measures=tuple(content["measures"]),
        rows=tuple(map(_row, content["rows"])),
        totals=tuple(map(_row, totals.get("periods") or ())) if totals else (),
        total=_row(totals["all"]) if totals else None,
        compared_with=(
            (
                datetime.fromisoformat(compared["start_at"]),
                datetime.fromisoformat(compared["end_at"]),
            )
            if compared
            else None
        ),
        etag=etag,
        plan=plan,
    )
