"""Answer an analysis of a register's items.

Comes in: `AggregateAnalysis`. Goes out: `Outcome`, or an error of our tree, as for the three calls:
the same line to wait in, the same deadline, one snapshot for labels, rollups and items.
"""

from __future__ import annotations

import time

from services.aggregator.admission import Admission
from services.aggregator.aggregate import Outcome
from services.aggregator.analysis_arguments import Analysis, check_analysis, register_id_of
from services.aggregator.analysis_cells import Source
from services.aggregator.analysis_rendering import pieces_of
from services.aggregator.analysis_statement import Statement, build_analysis
from services.aggregator.arguments import Scope
from services.aggregator.conditions import labels_of
from services.aggregator.deadlines import seconds_left, turn_until
from services.aggregator.entity_tag import analysis_tag, is_known
from services.aggregator.periods import Periods, divide
from services.aggregator.planner import Choice, choose_plan
from services.aggregator.plans import RAW, Plan, Totals
from services.aggregator.previous_range import previous
from services.aggregator.registers import find_register
from services.aggregator.settings import AggregatorSettings
from shared.contracts.analyses import AggregateAnalysis
from shared.database.pool import Connection, Database
from shared.errors import InvalidArgumentError
from shared.rollups.definitions import Rollup, from_json


class Analyst:
    """Answers analyses from one database; `admission` is that of all questions."""

    def __init__(
        self, database: Database, settings: AggregatorSettings, admission: Admission | None = None
    ) -> None:
        self._database = database
        self._settings = settings
        self._admission = admission or Admission.of(settings)

    async def answer(self, query: AggregateAnalysis) -> Outcome:
        """See the module. All that is wrong is told at once, so the labels are read first."""
        async with turn_until(query.deadline, self._admission):
            return await self._read(query)

    async def _read(self, query: AggregateAnalysis) -> Outcome:
        started = time.perf_counter()
        async with self._database.transaction(
            isolation="repeatable_read", readonly=True
        ) as connection:
            register_id = register_id_of(query)
            register = register_id and await find_register(
                connection,
                query.store_id,
                register_id,
                deadline=query.deadline,
                work_mem_mb=self._settings.work_mem_mb,
            )
            analysis = check_analysis(query, register["meta"] if register else None)
            if not register:  # pragma: no cover - refused above
                raise RuntimeError("an analysis of no register was let through")
            ranges = self._ranges(analysis)
            pieces = pieces_of(
                query.representation,
                analysis,
                ranges[0][1],
                ranges[1][0] if analysis.is_compared else None,
            )
            etag = analysis_tag(analysis, register["version"], query.representation)
            if is_known(etag, query.if_none_match):
                seconds = time.perf_counter() - started
                return Outcome(None, pieces.content_type, etag, None, seconds)
            rollups = from_json(register["rollups"])
            wanted = _columns(analysis)
            choices = [
                self._choose(analysis, Totals(scope, periods, wanted), rollups, register["version"])
                for scope, periods in ranges
            ]
            statement = build_analysis(
                analysis,
                [
                    Source(choice.plan, Totals(scope, periods, wanted))
                    for choice, (scope, periods) in zip(choices, ranges, strict=True)
                ],
                pieces,
                representation=query.representation,
                rows_max=self._settings.rows_max,
                body_bytes_max=self._settings.body_bytes_max,
            )
            body = await self._run(connection, query, statement)
        return Outcome(
            body,
            pieces.content_type,
            etag,
            _named_together([choice.plan for choice in choices]),
            seconds=time.perf_counter() - started,
            wish=next((choice.wish for choice in choices if choice.wish), None),
        )

    def _ranges(self, analysis: Analysis) -> list[tuple[Scope, Periods | None]]:
        """The range asked for, and the one that it is compared with."""
        scope, kind = analysis.scope, analysis.grouping.period
        periods = None
        if kind is not None:
            periods = divide(
                kind,
                scope.zone,
                scope.start_at,
                scope.end_at,
                periods_max=self._settings.periods_max,
            )
        ranges = [(scope, periods)]
        if analysis.is_compared:
            ranges.append(previous(kind, scope, periods))
        return ranges

    def _choose(
        self, analysis: Analysis, totals: Totals, rollups: list[Rollup], register_version: int
    ) -> Choice:
        if {*analysis.measures} & {"min", "max"}:
            # Rollups hold neither, so there is nothing to choose from and nothing to wish for.
            return Choice(RAW, 0, None)
        return choose_plan(
            totals,
            rollups,
            register_version=register_version,
            overhead_rows=self._settings.rollup_overhead_rows,
            wish_rows_min=self._settings.wish_rows_min,
        )

    async def _run(
        self, connection: Connection, query: AggregateAnalysis, statement: Statement
    ) -> bytes:
        row = await connection.fetchrow(
            statement.sql, *statement.values, timeout=seconds_left(query.deadline)
        )
        if row is None:  # pragma: no cover - the statement has exactly one row
            raise RuntimeError("the statement gave no row")
        limits = self._settings
        if row["groups"] > statement.groups_max or (
            row["cells"] > statement.cells_max and query.arguments.get("limit") is None
        ):
            raise InvalidArgumentError(
                f"more than {limits.rows_max} rows: set a limit, group by fewer columns, choose a "
                "longer period or a shorter range"
            )
        if row["cells"] > statement.cells_max:
            raise InvalidArgumentError(
                f"more than {statement.cells_max} numbers to choose from: filter, group by fewer "
                "columns, choose a longer period or a shorter range"
            )
        body: bytes | None = row["body"]
        if body is None or len(body) > limits.body_bytes_max:
            raise InvalidArgumentError(
                f"more than {limits.body_bytes_max} bytes: set a limit, group by fewer columns, "
                "choose a longer period or a shorter range"
            )
        return body


def _columns(analysis: Analysis) -> tuple[str, ...]:
    """Those grouped by, then those that only the filter looks at."""
    looked_at = [analysis.column_of[label] for label in labels_of(analysis.filter)]
    return tuple(dict.fromkeys([*analysis.grouping.columns, *looked_at]))


def _named_together(plans: list[Plan]) -> Plan:
    """As callers see it: `totals-day+raw` when the ranges are read differently."""
    return Plan("+".join(dict.fromkeys(plan.name for plan in plans)), plans[0].totals)
