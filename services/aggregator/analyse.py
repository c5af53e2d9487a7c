"""Answer an analysis of a register's items.

Comes in: `AggregateAnalysis`. Goes out: `Outcome`, or an error of our tree, as for the three calls:
the same line to wait in, the same deadline, one snapshot for labels, rollups and items.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from services.aggregator.admission import Admission
from services.aggregator.aggregate import Outcome
from services.aggregator.analysis_arguments import Analysis, check_analysis, register_id_of
from services.aggregator.analysis_body import put_analysis_together
from services.aggregator.analysis_cells import Source
from services.aggregator.analysis_rendering import Pieces, pieces_of
from services.aggregator.analysis_statement import Statement, build_analysis
from services.aggregator.arguments import Scope
from services.aggregator.conditions import labels_of
from services.aggregator.deadlines import in_turn
from services.aggregator.entity_tag import analysis_tag, is_known
from services.aggregator.periods import Periods, divide
from services.aggregator.planner import Choice, choose_plan
from services.aggregator.plans import Plan, Totals
from services.aggregator.previous_range import previous
from services.aggregator.reading import Reader
from services.aggregator.registers import Place, Seen
from services.aggregator.settings import AggregatorSettings
from services.aggregator.understood import Understood, question_key
from shared.contracts.analyses import AggregateAnalysis
from shared.database.replica import ReadSources
from shared.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class _Asked:
    """An analysis as it was understood, a choice for each range. No statement: the caller has the
    answer."""

    analysis: Analysis
    pieces: Pieces
    choices: Sequence[Choice] = ()
    statement: Statement | None = None

    @property
    def period_count(self) -> int:
        return len(self.pieces.periods)


class Analyst:
    """Answers analyses from one database; `admission` is that of all questions."""

    def __init__(
        self, sources: ReadSources, settings: AggregatorSettings, admission: Admission | None = None
    ) -> None:
        self._reader = Reader(sources)
        self._understood: Understood[_Asked] = Understood()
        self._settings = settings
        self._admission = admission or Admission.of(settings)

    async def answer(self, query: AggregateAnalysis) -> Outcome:
        """See the module. All that is wrong is told at once, so the labels are read first."""
        return await in_turn(query.deadline, self._admission, lambda: self._read(query))

    async def _read(self, query: AggregateAnalysis) -> Outcome:
        started = time.perf_counter()
        register_id = register_id_of(query)
        found = await self._reader.read(
            None if register_id is None else Place(query.store_id, register_id),
            lambda known: self._ask(query, known),
            deadline=query.deadline,
            anew=query.if_none_match is not None,
        )
        read = found.value
        asked = read.asked
        statement, body = asked.statement, None
        if statement is not None:
            body = self._body(query, asked, statement, read.rows)
        return Outcome(
            body,
            asked.pieces.content_type,
            analysis_tag(asked.analysis, read.version, query.representation),
            _named_together([choice.plan for choice in asked.choices]) if asked.choices else None,
            seconds=time.perf_counter() - started,
            wish=next((choice.wish for choice in asked.choices if choice.wish), None),
            on_replica=found.on_replica,
        )

    def _ask(self, query: AggregateAnalysis, known: Seen | None) -> _Asked:
        if known is None:
            check_analysis(query, None)
            raise RuntimeError("an analysis of no register was let through")  # pragma: no cover
        if query.if_none_match is not None:
            # Whether the caller has the answer is another matter with each version.
            return self._understand(query, known)
        return self._understood.find(
            question_key(query), known, lambda: self._understand(query, known)
        )

    def _understand(self, query: AggregateAnalysis, known: Seen) -> _Asked:
        analysis = check_analysis(query, known.meta)
        ranges = self._ranges(analysis)
        compared = ranges[1][0] if analysis.is_compared else None
        pieces = pieces_of(query.representation, analysis, ranges[0][1], compared)
        if query.if_none_match is not None:
            etag = analysis_tag(analysis, known.version, query.representation)
            if is_known(etag, query.if_none_match):
                return _Asked(analysis, pieces)
        wanted = _columns(analysis)
        has_extremes = bool({*analysis.measures} & {"min", "max"})
        totals = [Totals(scope, periods, wanted, has_extremes) for scope, periods in ranges]
        choices = [self._choose(one, known) for one in totals]
        statement = build_analysis(
            known,
            analysis,
            [Source(choice.plan, one) for choice, one in zip(choices, totals, strict=True)],
            pieces,
            representation=query.representation,
            rows_max=self._settings.rows_max,
            body_bytes_max=self._settings.body_bytes_max,
        )
        return _Asked(analysis, pieces, choices, statement)

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

    def _choose(self, totals: Totals, known: Seen) -> Choice:
        return choose_plan(
            totals,
            known,
            overhead_rows=self._settings.rollup_overhead_rows,
            wish_rows_min=self._settings.wish_rows_min,
        )

    def _body(
        self,
        query: AggregateAnalysis,
        asked: _Asked,
        statement: Statement,
        rows: Sequence[asyncpg.Record],
    ) -> bytes:
        row = rows[0]
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
        body = None
        if row["fits"]:
            body = put_analysis_together(
                asked.pieces,
                rows,
                is_compared=asked.analysis.is_compared,
                bytes_max=limits.body_bytes_max,
            )
        if body is None:
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
