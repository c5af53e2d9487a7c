"""What a register can be grouped by, and which values there are.

Comes in: `AggregateDimensions`. Goes out: `Outcome`, or an error of our tree: `NotFoundError` for a
register or a label that there is not. Exact where a rollup has the column or the register is small;
otherwise about its newest items, which the answer says, and with a wish for such a rollup.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from services.aggregator.admission import Admission
from services.aggregator.aggregate import Outcome
from services.aggregator.catalogue_statements import (
    Page,
    held_summary,
    held_values,
    newest_summary,
    newest_values,
)
from services.aggregator.deadlines import in_turn, seconds_left
from services.aggregator.entity_tag import content_tag, is_known
from services.aggregator.planner import Wish
from services.aggregator.plans import RAW, Plan
from services.aggregator.registers import Place, Seen, look, seen_of
from services.aggregator.settings import AggregatorSettings
from shared.contracts.dimensions import AggregateDimensions
from shared.contracts.recording import META_COLUMNS
from shared.database.pool import Connection, plan_once
from shared.database.replica import ReadSources, Source
from shared.errors import NotFoundError
from shared.rollups.definitions import Rollup
from shared.rollups.grid import Grain, Grid

# So many of the newest items are looked at where no rollup has the column.
ITEMS_MAX = 100_000
_FROM_ROLLUPS = Plan("columns", RAW.totals)


class Catalogue:
    """Answers from one database; `admission` is that of all questions."""

    def __init__(
        self,
        sources: ReadSources,
        settings: AggregatorSettings,
        admission: Admission | None = None,
        *,
        items_max: int = ITEMS_MAX,
    ) -> None:
        self._sources = sources
        self._settings = settings
        self._admission = admission or Admission.of(settings)
        self._items_max = items_max

    async def answer(self, query: AggregateDimensions) -> Outcome:
        """See the module."""
        return await in_turn(query.deadline, self._admission, lambda: self._read(query))

    async def _read(self, query: AggregateDimensions) -> Outcome:
        started = time.perf_counter()
        found = await self._sources.read(lambda source: self._content(source, query))
        content, plan, wish = found.value
        body = orjson.dumps(content)
        etag = content_tag(body)
        known = is_known(etag, query.if_none_match)
        return Outcome(
            None if known else body,
            "application/json",
            etag,
            None if known else plan,
            seconds=time.perf_counter() - started,
            wish=wish,
            on_replica=found.on_replica,
        )

    async def _content(
        self, source: Source, query: AggregateDimensions
    ) -> tuple[dict[str, Any], Plan, Wish | None]:
        seconds = seconds_left(query.deadline)
        async with source.acquire(seconds_max=seconds) as connection:
            # A question before this one may have left it otherwise. Not in the transaction, which
            # might take it back.
            await plan_once(connection, is_once=False, seconds_max=seconds)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                place = Place(query.store_id, query.register_id)
                state = await look(connection, place, seconds=seconds)
                if state is None:
                    raise NotFoundError(f"there is no register {query.register_id}")
                reading = _Reading(connection, query, place, seen_of(state), self._items_max)
                return await reading.content()


class _Reading:
    """One question, in its snapshot."""

    def __init__(
        self,
        connection: Connection,
        query: AggregateDimensions,
        place: Place,
        register: Seen,
        items_max: int,
    ) -> None:
        self._connection = connection
        self._query = query
        self._place = place
        self._items_max = items_max
        self._rollups = register.rollups
        meta = register.meta
        self._labels = {meta[c]: c for c in reversed(META_COLUMNS) if c in meta}

    async def content(self) -> tuple[dict[str, Any], Plan, Wish | None]:
        """(the answer, how it was found, what would have made it exact)."""
        if self._query.label is None:
            return await self._summaries()
        return await self._values(self._query.label)

    async def _summaries(self) -> tuple[dict[str, Any], Plan, None]:
        held = {c: r for c in self._labels.values() if (r := self._rollup_of(c)) is not None}
        raw = [column for column in self._labels.values() if column not in held]
        found: dict[str, dict[str, Any]] = {}
        for column, rollup in held.items():
            row = await self._row(*held_summary(self._place, column, rollup))
            found[column] = {**row, "is_exact": True}
        if raw:
            row = await self._row(*newest_summary(self._place, raw, items_max=self._items_max))
            for c in raw:
                names = ("values", "items", "first", "last")
                values, items, first_at, last_at = (row[f"{name}_{c}"] for name in names)
                found[c] = {
                    "values": values,
                    "items": items,
                    "first_at": first_at,
                    "last_at": last_at,
                    "is_exact": row["looked_at"] <= self._items_max,
                }
        dimensions = [
            _summary(label, column, found[column])
            for label, column in sorted(self._labels.items(), key=lambda pair: pair[1])
        ]
        return {"dimensions": dimensions}, RAW if raw else _FROM_ROLLUPS, None

    async def _values(self, label: str) -> tuple[dict[str, Any], Plan, Wish | None]:
        column = self._labels.get(label)
        if column is None:
            raise NotFoundError(f"there is no label {label}")
        query = self._query
        page = Page(query.prefix, query.after, query.limit)
        rollup = self._rollup_of(column)
        statement = (
            newest_values(self._place, column, page, items_max=self._items_max)
            if rollup is None
            else held_values(self._place, column, page, rollup)
        )
        row = await self._row(*statement)
        is_exact = row["looked_at"] <= self._items_max
        pairs = [*zip(row["values"], row["items"], strict=True)]
        shown = pairs[: page.limit]
        content = {
            "label": label,
            "column": column,
            "values": [{"value": value, "items": items} for value, items in shown],
            "is_exact": is_exact,
            "next_after": shown[-1][0] if len(pairs) > page.limit else None,
        }
        wish = None if is_exact else _wish(column, self._rollups)
        return content, RAW if rollup is None else _FROM_ROLLUPS, wish

    def _rollup_of(self, column: str) -> Rollup | None:
        """The smallest that holds the column. How its days are cut makes no difference here."""
        fitting = [
            r
            for r in self._rollups
            if column in r.columns and r.synced_version >= 0 and not r.is_rejected
        ]
        return min(fitting, key=lambda r: r.rows_held, default=None)

    async def _row(self, sql: str, values: Sequence[object]) -> asyncpg.Record:
        row = await self._connection.fetchrow(
            sql, *values, timeout=seconds_left(self._query.deadline)
        )
        if row is None:  # pragma: no cover - the statements have exactly one row
            raise RuntimeError("the statement gave no row")
        return row


def _summary(label: str, column: str, found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "label": label,
        "column": column,
        "values": found["values"],
        "items": found["items"],
        "first_originated_at": _shown(found["first_at"]),
        "last_originated_at": _shown(found["last_at"]),
        "is_exact": found["is_exact"],
    }


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _wish(column: str, rollups: Sequence[Rollup]) -> Wish | None:
    """The store's days by this column, unless they were found to be too many."""
    zones = [r.grid.zone for r in rollups if not r.columns and r.grid.grain is Grain.DAY]
    is_there = any(r.columns == (column,) for r in rollups)
    return None if is_there else Wish(Grid(Grain.DAY, zones[0] if zones else "UTC"), (column,))
