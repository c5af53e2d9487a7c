"""Answer a question about a register.

Comes in: `AggregateQuery`. Goes out: `Outcome` (the body as bytes, its ETag, how it was found), or
an error of our tree: `InvalidArgumentError` with the documented text, `OverloadedError`,
`DeadlineExceededError`, `UnavailableError`.

The register's version and labels and the items are read from one snapshot, so an ETag always
belongs to the bytes that it comes with.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from services.aggregator.admission import Admission
from services.aggregator.arguments import (
    Grouping,
    Scope,
    check_grouping,
    check_scope,
    invalid_register,
)
from services.aggregator.body import put_together
from services.aggregator.deadlines import seconds_left, turn_until
from services.aggregator.entity_tag import entity_tag, is_known
from services.aggregator.periods import Periods, divide
from services.aggregator.planner import Wish, choose_plan
from services.aggregator.plans import Plan, Totals
from services.aggregator.query_builder import Statement, build_statement
from services.aggregator.registers import find_register
from services.aggregator.rendering import Rendering, render
from services.aggregator.settings import AggregatorSettings
from shared.contracts.aggregations import AggregateQuery
from shared.database.pool import Connection, Database
from shared.errors import InvalidArgumentError
from shared.rollups.definitions import from_json


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


class Aggregator:
    """Answers questions from one database, a bounded number at once."""

    def __init__(
        self,
        database: Database,
        settings: AggregatorSettings,
        admission: Admission | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._admission = admission or Admission.of(settings)

    async def answer(self, query: AggregateQuery) -> Outcome:
        """See the module. What can be refused without the database is refused without it."""
        seconds_left(query.deadline)
        scope = check_scope(query)
        async with turn_until(query.deadline, self._admission):
            return await self._read(query, scope)

    async def _read(self, query: AggregateQuery, scope: Scope) -> Outcome:
        started = time.perf_counter()
        async with self._database.transaction(
            isolation="repeatable_read", readonly=True
        ) as connection:
            register = await find_register(
                connection,
                scope.store_id,
                scope.register_id,
                deadline=query.deadline,
                work_mem_mb=self._settings.work_mem_mb,
            )
            if register is None:
                raise invalid_register()
            grouping = check_grouping(query.arguments, register["meta"])
            periods = self._periods(scope, grouping)
            rendering = render(query.representation, scope.measure, grouping, periods)
            etag = entity_tag(scope, grouping, register["version"], query.representation)
            body = plan = wish = None
            if not is_known(etag, query.if_none_match):
                totals = Totals(scope, periods, grouping.columns)
                choice = choose_plan(
                    totals,
                    from_json(register["rollups"]),
                    register_version=register["version"],
                    overhead_rows=self._settings.rollup_overhead_rows,
                    wish_rows_min=self._settings.wish_rows_min,
                )
                plan, wish = choice.plan, choice.wish
                statement = build_statement(
                    plan,
                    totals,
                    rendering,
                    invert_sign=grouping.invert_sign,
                    rows_max=self._settings.rows_max,
                    body_bytes_max=self._settings.body_bytes_max,
                )
                body = await self._run(connection, query, statement, rendering)
        return Outcome(
            body,
            rendering.content_type,
            etag,
            plan,
            seconds=time.perf_counter() - started,
            wish=wish,
        )

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

    async def _run(
        self,
        connection: Connection,
        query: AggregateQuery,
        statement: Statement,
        rendering: Rendering,
    ) -> bytes:
        groups = await connection.fetch(
            statement.sql, *statement.values, timeout=seconds_left(query.deadline)
        )
        limits = self._settings
        if len(groups) > statement.groups_max:
            raise InvalidArgumentError(
                f"more than {limits.rows_max} rows: group by fewer columns, choose a longer period "
                "or a shorter range"
            )
        body = put_together(rendering, groups, bytes_max=limits.body_bytes_max)
        if body is None:
            raise InvalidArgumentError(
                f"more than {limits.body_bytes_max} bytes: group by fewer columns, choose a longer "
                "period or a shorter range"
            )
        return body
