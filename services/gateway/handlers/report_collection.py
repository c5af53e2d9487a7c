"""`GET /reports`: the store's reports, a page at a time, with links to the other pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web

from services.gateway import access
from services.gateway.dependencies import base_url, dependencies, representing
from services.gateway.problems import HAL
from shared.contracts.failures import FailureDetail
from shared.contracts.reports import ReportName
from shared.database import reports
from shared.database.accounts import Scope, Store
from shared.database.reports import ReportFilter
from shared.errors import InvalidArgumentError
from shared.reporting.resource import has_file
from shared.reporting.wall_clock import instant_of, parse_wall_clock

LIMIT_DEFAULT = 20
LIMIT_MAX = 300
OFFSET_MAX = 2**31
_STATUSES = {"queued": ("queued", "building"), "error": ("error",), "ready": ("ready",)}
_ORDERS = {
    "date_created": False,
    "date_created asc": False,
    "date_created desc": True,
}
_SECOND = timedelta(microseconds=999_999)
_KNOWN = ("limit", "offset", "order", "status", "name", "date_created")


@dataclass(frozen=True, slots=True)
class _Page:
    """What of the collection is asked for."""

    chosen: ReportFilter
    newest_first: bool
    limit: int
    offset: int
    # The caller's own words, for the links to the other pages.
    words: tuple[tuple[str, str], ...]

    def at(self, offset: int) -> str:
        words = [*self.words, ("limit", str(self.limit)), ("offset", str(offset))]
        return urlencode(words)


async def collection(request: web.Request) -> web.Response:
    """Oldest first, unless asked otherwise. A fresh link for each that has a file."""
    caller = await access.caller(request, Scope.READ)
    page = _page(request, caller.store)
    async with dependencies(request).database.transaction(
        store_id=caller.store.store_id, isolation="repeatable_read", readonly=True
    ) as connection:
        found, total = await reports.list_reports(
            connection,
            caller.store.store_id,
            page.chosen,
            newest_first=page.newest_first,
            limit=page.limit,
            offset=page.offset,
        )
    shown = representing(request)
    content: dict[str, Any] = {
        "_links": {"curies": shown.curies(), **_links(request, page, total)},
        "_embedded": {"fx:reports": [shown.report(report) for report in found]},
        "total_items": total,
        "returned_items": len(found),
        "limit": page.limit,
        "offset": page.offset,
    }
    has_links = any(has_file(report) for report in found)
    cache = "private, no-store" if has_links else "private, no-cache"
    return web.Response(
        body=orjson.dumps(content), content_type=HAL, headers={"Cache-Control": cache}
    )


def _links(request: web.Request, page: _Page, total: int) -> dict[str, Any]:
    last = max(0, total - 1) // page.limit * page.limit
    offsets = {"self": page.offset, "first": 0, "last": last}
    if page.offset > 0:
        # From behind the end it leads to the last page.
        offsets["prev"] = min(last, max(0, page.offset - page.limit))
    if page.offset + page.limit < total:
        offsets["next"] = page.offset + page.limit
    titles = {"self": "This Collection"}
    return {
        relation: {
            "href": f"{base_url(request)}/reports?{page.at(offset)}",
            "title": titles.get(relation, f"{relation.capitalize()} Page"),
        }
        for relation, offset in offsets.items()
    }


class _Query:
    """Reads the query, and collects what is wrong with it."""

    def __init__(self, request: web.Request, store: Store) -> None:
        self._values = request.query
        self._zone = ZoneInfo(store.timezone)
        self.details: list[FailureDetail] = []

    def refuse(self, field: str, reason: str) -> None:
        self.details.append(FailureDetail(field=field, reason=f"{field} {reason}"))

    def whole_number(self, field: str, default: int, least: int, most: int) -> int:
        text = self._values.get(field)
        if text is None:
            return default
        if text.isascii() and text.isdigit() and least <= int(text[:12]) <= most:
            return int(text[:12])
        self.refuse(field, f"must be a whole number from {least} to {most}")
        return default

    def choice(self, field: str, choices: tuple[str, ...]) -> str | None:
        text = self._values.get(field)
        if text is None or text in choices:
            return text
        self.refuse(field, f"must be one of the following: {', '.join(choices)}")
        return None

    def range(self, chosen: ReportFilter) -> ReportFilter:
        """`date_created=a..b`, in the store's own time; either side may be left out."""
        text = self._values.get("date_created")
        if text is None:
            return chosen
        low, dots, high = text.partition("..")
        try:
            if not dots:
                raise ValueError("must be a range: a..b, a.. or ..b")  # noqa: TRY301
            return replace(
                chosen,
                created_from=self._instant(low, is_end=False),
                created_to=self._instant(high, is_end=True),
            )
        except ValueError as error:
            self.refuse("date_created", str(error))
            return chosen

    def _instant(self, text: str, *, is_end: bool) -> datetime | None:
        if not text:
            return None
        day = " 23:59:59" if is_end else " 00:00:00"
        full = text + day if len(text) == len("YYYY-MM-DD") else text
        instant = instant_of(parse_wall_clock(full), self._zone, is_end=is_end)
        # A second that is included is included to its end: what is shown has no fractions.
        return instant + _SECOND if is_end else instant


def _page(request: web.Request, store: Store) -> _Page:
    query = _Query(request, store)
    status = query.choice("status", tuple(_STATUSES))
    name = query.choice("name", tuple(ReportName))
    order = query.choice("order", tuple(_ORDERS))
    limit = query.whole_number("limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
    offset = query.whole_number("offset", 0, 0, OFFSET_MAX)
    chosen = query.range(ReportFilter(_STATUSES[status] if status else None, name))
    if query.details:
        raise InvalidArgumentError("the query is wrong", details=tuple(query.details))
    words = tuple(
        (key, value)
        for key, value in request.query.items()
        if key in _KNOWN and key not in ("limit", "offset")
    )
    return _Page(chosen, _ORDERS[order or "date_created"], limit, offset, words)
