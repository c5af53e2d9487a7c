"""Answer a question about a register.

Comes in: `AggregateQuery`. Goes out: `Outcome` (the body as bytes, its ETag, how it was found), or
an error of our tree: `InvalidArgumentError` with the documented text, `OverloadedError`,
`DeadlineExceededError`, `UnavailableError`.

The register's version and labels and the items are read from one snapshot, so an ETag always
belongs to the bytes that it comes with.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from services.aggregator.admission import Admission
from services.aggregator.arguments import (
    Grouping,
    Scope,
    check_grouping,
    check_scope,
    invalid_register,
)
from services.aggregator.entity_tag import entity_tag, is_known
from services.aggregator.periods import Periods, divide
from services.aggregator.planner import Wish, choose_plan
from services.aggregator.plans import Plan, Totals
from services.aggregator.query_builder import Statement, build_statement
from services.aggregator.rendering import render
from services.aggregator.settings import AggregatorSettings
from shared.contracts.aggregations import AggregateQuery
from shared.database.pool import Connection, Database
from shared.database.queries import load_queries
from shared.errors import DeadlineExceededError, InvalidArgumentError, UnavailableError
from shared.rollups.definitions import from_json

_SQL = load_queries(__file__)


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

    def __init__(self, database: Database, settings: AggregatorSettings) -> None:
        self._database = database
        self._settings = settings
        self._admission = Admission(
            questions_max=settings.questions_max,
            waiting_max=settings.waiting_max,
            retry_after_seconds=settings.retry_after_seconds,
        )

    async def answer(self, query: AggregateQuery) -> Outcome:
        """See the module. What can be refused without the database is refused without it."""
        seconds_left = _seconds_left(query)
        scope = check_scope(query)
        async with self._admission.turn(seconds=seconds_left):
            try:
                async with asyncio.timeout(_seconds_left(query)):
                    return await self._read(query, scope)
            except TimeoutError as error:
                # Whichever clock rang, ours or asyncpg's: it cancels the statement on the server.
                raise _too_late() from error
            except asyncpg.QueryCanceledError as error:
                if datetime.now(UTC) >= query.deadline:
                    raise _too_late() from error
                raise UnavailableError("the query was cancelled", retry_after_seconds=1) from error

    async def _read(self, query: AggregateQuery, scope: Scope) -> Outcome:
        started = time.perf_counter()
        async with self._database.transaction(
            isolation="repeatable_read", readonly=True
        ) as connection:
            register = await self._find_register(connection, query, scope)
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
                body = await self._run(connection, query, statement)
        return Outcome(
            body,
            rendering.content_type,
            etag,
            plan,
            seconds=time.perf_counter() - started,
            wish=wish,
        )

    async def _find_register(
        self, connection: Connection, query: AggregateQuery, scope: Scope
    ) -> asyncpg.Record:
        seconds_left = _seconds_left(query)
        register = await connection.fetchrow(
            _SQL["find_register"],
            scope.store_id,
            scope.register_id,
            # Rounded up: 0 milliseconds would mean "no limit".
            str(math.ceil(seconds_left * 1_000)),
            f"{self._settings.work_mem_mb}MB",
            timeout=seconds_left,
        )
        if register is None:
            raise invalid_register()
        return register

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
        self, connection: Connection, query: AggregateQuery, statement: Statement
    ) -> bytes:
        row = await connection.fetchrow(
            statement.sql, *statement.values, timeout=_seconds_left(query)
        )
        if row is None:  # pragma: no cover - the statement has exactly one row
            raise RuntimeError("the statement gave no row")
        limits = self._settings
        if row["groups"] > statement.groups_max:
            raise InvalidArgumentError(
                f"more than {limits.rows_max} rows: group by fewer columns, choose a longer period "
                "or a shorter range"
            )
        body: bytes | None = row["body"]
        if body is None or len(body) > limits.body_bytes_max:
            raise InvalidArgumentError(
                f"more than {limits.body_bytes_max} bytes: group by fewer columns, choose a longer "
                "period or a shorter range"
            )
        return body


def _seconds_left(query: AggregateQuery) -> float:
    """Until the deadline, by this machine's clock. Raises when nobody waits any more."""
    seconds = (query.deadline - datetime.now(UTC)).total_seconds()
    if seconds <= 0:
        raise _too_late()
    return seconds


def _too_late() -> DeadlineExceededError:
    return DeadlineExceededError("the deadline has passed")
