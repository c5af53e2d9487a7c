"""Answer a question about a register.

Comes in: `AggregateQuery`. Goes out: `Outcome` (the body as bytes, its ETag, how it was found), or
an error of our tree: `InvalidArgumentError` with the documented text, `OverloadedError`,
`DeadlineExceededError`, `UnavailableError`.

The register's version and the items are read from one snapshot (`reading`), so an ETag always
belongs to the bytes that it comes with.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from services.aggregator.admission import Admission
from services.aggregator.arguments import (
    Grouping,
    Scope,
    check_grouping,
    check_scope,
    invalid_register,
)
from services.aggregator.body import Group, put_together, the_one_group
from services.aggregator.deadlines import in_turn, seconds_left
from services.aggregator.entity_tag import entity_tag, is_known
from services.aggregator.periods import Periods, divide
from services.aggregator.planner import Choice, Wish, choose_plan
from services.aggregator.plans import Plan, Totals
from services.aggregator.query_builder import Statement, build_statement
from services.aggregator.reading import Reader
from services.aggregator.registers import Place, Seen
from services.aggregator.rendering import Rendering, render
from services.aggregator.settings import AggregatorSettings
from services.aggregator.understood import Understood, question_key
from shared.contracts.aggregations import AggregateQuery
from shared.database.replica import ReadSources
from shared.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer. `body` and `plan` are None when the caller has it already (`If-None-Match`).
    `seconds` is the time spent with the database, the wait for a connection included. `wish` is a
    rollup that would have made the answer cheap."""

    body: bytes | None
    content_type: str
    etag: str
    plan: Plan | None
    seconds: float
    wish: Wish | None = None
    on_replica: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question as it was understood. No statement: the caller has the answer."""

    grouping: Grouping
    rendering: Rendering
    choice: Choice | None = None
    statement: Statement | None = None

    @property
    def period_count(self) -> int:
        return len(self.rendering.periods)


class Aggregator:
    """Answers questions from one database, a bounded number at once."""

    def __init__(
        self,
        sources: ReadSources,
        settings: AggregatorSettings,
        admission: Admission | None = None,
    ) -> None:
        self._reader = Reader(sources)
        self._understood: Understood[_Asked] = Understood()
        self._settings = settings
        self._admission = admission or Admission.of(settings)

    async def answer(self, query: AggregateQuery) -> Outcome:
        """See the module. What can be refused without the database is refused without it."""
        seconds_left(query.deadline)
        scope = check_scope(query)
        return await in_turn(query.deadline, self._admission, lambda: self._read(query, scope))

    async def _read(self, query: AggregateQuery, scope: Scope) -> Outcome:
        started = time.perf_counter()
        found = await self._reader.read(
            Place(scope.store_id, scope.register_id),
            lambda known: self._ask(query, scope, known),
            deadline=query.deadline,
            anew=query.if_none_match is not None,
        )
        read = found.value
        asked = read.asked
        body = None if asked.statement is None else self._body(asked, asked.statement, read.rows)
        return Outcome(
            body,
            asked.rendering.content_type,
            entity_tag(scope, asked.grouping, read.version, query.representation),
            asked.choice.plan if asked.choice else None,
            seconds=time.perf_counter() - started,
            wish=asked.choice.wish if asked.choice else None,
            on_replica=found.on_replica,
        )

    def _ask(self, query: AggregateQuery, scope: Scope, known: Seen | None) -> _Asked:
        if known is None:
            raise invalid_register()
        if query.if_none_match is not None:
            # Whether the caller has the answer is another matter with each version.
            return self._understand(query, scope, known)
        return self._understood.find(
            question_key(query), known, lambda: self._understand(query, scope, known)
        )

    def _understand(self, query: AggregateQuery, scope: Scope, known: Seen) -> _Asked:
        grouping = check_grouping(query.arguments, known.meta)
        periods = self._periods(scope, grouping)
        rendering = render(query.representation, scope.measure, grouping, periods)
        if query.if_none_match is not None:
            etag = entity_tag(scope, grouping, known.version, query.representation)
            if is_known(etag, query.if_none_match):
                return _Asked(grouping, rendering)
        limits = self._settings
        totals = Totals(scope, periods, grouping.columns)
        choice = choose_plan(
            totals,
            known,
            overhead_rows=limits.rollup_overhead_rows,
            wish_rows_min=limits.wish_rows_min,
        )
        statement = build_statement(
            known,
            choice.plan,
            totals,
            rendering,
            invert_sign=grouping.invert_sign,
            rows_max=limits.rows_max,
            body_bytes_max=limits.body_bytes_max,
        )
        return _Asked(grouping, rendering, choice, statement)

    def _periods(self, scope: Scope, grouping: Grouping) -> Periods | None:
        if grouping.period is None:
            return None
        return divide(
            grouping.period,
            scope.zone,
            scope.start_at,
            scope.end_at,
            periods_max=self._settings.periods_max,
        )

    def _body(self, asked: _Asked, statement: Statement, rows: Sequence[asyncpg.Record]) -> bytes:
        limits = self._settings
        groups: Sequence[Group] = rows
        if not asked.grouping.columns:
            groups = [the_one_group(asked.rendering, rows[0]["cells"])]
        if len(groups) > statement.groups_max:
            raise InvalidArgumentError(
                f"more than {limits.rows_max} rows: group by fewer columns, choose a longer period "
                "or a shorter range"
            )
        body = put_together(asked.rendering, groups, bytes_max=limits.body_bytes_max)
        if body is None:
            raise InvalidArgumentError(
                f"more than {limits.body_bytes_max} bytes: group by fewer columns, choose a longer "
                "period or a shorter range"
            )
        return body
