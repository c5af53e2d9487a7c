"""The edge: a question in (`aggregate.query.v1`, `aggregate.analysis.v1`,
`aggregate.dimensions.v1`), an `Answer` out.

Headers that every answer bears, for the gateway to pass on to its caller:

    ETag            strong; see `entity_tag`
    Tallyport-Plan  where the totals came from: `raw`, `totals-day`, `columns-day`, ...
    Server-Timing   `db;dur=12.3`, milliseconds; with `;desc="replica"` where a replica answered

and one that is for the gateway alone: `Tallyport-Status: 304` on an answer without a body, when
the question's `if_none_match` names the ETag. Refusals are raised; the consumer makes replies of
them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

import structlog

from services.aggregator.aggregate import Aggregator, Outcome
from services.aggregator.analyse import Analyst
from services.aggregator.catalogue import Catalogue
from services.aggregator.metrics import KNOWN, REFUSED, SECONDS
from services.aggregator.planner import Wish
from services.aggregator.sharing import Sharing
from services.aggregator.understood import question_key
from shared.contracts.aggregations import AggregateQuery
from shared.contracts.analyses import AggregateAnalysis
from shared.contracts.dimensions import AggregateDimensions
from shared.errors import DeadlineExceededError, TallyportError
from shared.messaging.delivery import Answer, Delivery

STATUS_HEADER = "Tallyport-Status"
NOT_MODIFIED = "304"
ANALYSIS = "analysis"
DIMENSIONS = "dimensions"
_Question: TypeAlias = AggregateQuery | AggregateAnalysis | AggregateDimensions

_log = structlog.get_logger(__name__)


class Handlers:
    """What the consumer calls."""

    def __init__(
        self,
        aggregator: Aggregator,
        analyst: Analyst,
        catalogue: Catalogue,
        note_wish: Callable[[int, int, Wish], None],
    ) -> None:
        self._aggregator = aggregator
        self._analyst = analyst
        self._catalogue = catalogue
        self._note_wish = note_wish
        self._sharing: Sharing[str, Outcome] = Sharing()

    async def answer_query(self, query: AggregateQuery, delivery: Delivery) -> Answer | None:
        """The answer to one question. None is computed when there is nobody to send it to."""
        return await self._answer(
            query,
            delivery,
            measure=query.measure,
            register_id=query.arguments.register_id,
            find=lambda: self._aggregator.answer(query),
        )

    async def answer_analysis(self, query: AggregateAnalysis, delivery: Delivery) -> Answer | None:
        """The same for an analysis."""
        return await self._answer(
            query,
            delivery,
            measure=ANALYSIS,
            register_id=query.arguments.get("register_id"),
            find=lambda: self._analyst.answer(query),
        )

    async def answer_dimensions(
        self, query: AggregateDimensions, delivery: Delivery
    ) -> Answer | None:
        """What a register can be grouped by."""
        return await self._answer(
            query,
            delivery,
            measure=DIMENSIONS,
            register_id=query.register_id,
            find=lambda: self._catalogue.answer(query),
        )

    async def _answer(
        self,
        query: _Question,
        delivery: Delivery,
        *,
        measure: str,
        register_id: Any,
        find: Callable[[], Awaitable[Outcome]],
    ) -> Answer | None:
        if delivery.reply_to is None:
            _log.warning("aggregate.unasked", store_id=query.store_id, measure=measure)
            return None
        log = _log.bind(store_id=query.store_id, measure=measure)
        try:
            outcome = await self._find(query, find)
        except asyncio.CancelledError:
            # Its asker hung up, or we stop. The finding ends too, unless others wait for it.
            log.info("aggregate.cancelled")
            raise
        except TallyportError as error:
            REFUSED.labels(error.code.value).inc()
            log.info("aggregate.refused", code=error.code.value, reason=error.message)
            raise
        if outcome.wish is not None:
            self._note_wish(query.store_id, register_id, outcome.wish)

        def tell() -> None:
            plan = outcome.plan.name if outcome.plan else KNOWN
            SECONDS.labels(plan).observe(outcome.seconds)
            log.info(
                "aggregate.answered",
                plan=plan,
                database_ms=round(outcome.seconds * 1_000, 1),
                bytes=len(outcome.body or b""),
            )

        return replace(answer_of(outcome), afterwards=tell)

    async def _find(self, query: _Question, find: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Found together with those who ask the same now. Theirs may be a shorter deadline."""
        key = question_key(query)
        while True:
            try:
                return await self._sharing.share(key, find)
            except DeadlineExceededError:
                if datetime.now(UTC) >= query.deadline:
                    raise


def answer_of(outcome: Outcome) -> Answer:
    """The outcome as it travels."""
    by = ';desc="replica"' if outcome.on_replica else ""
    headers = {
        "ETag": outcome.etag,
        "Server-Timing": f"db;dur={outcome.seconds * 1_000:.1f}{by}",
    }
    if outcome.plan is not None:
        headers["Tallyport-Plan"] = outcome.plan.name
    if outcome.body is None:
        headers[STATUS_HEADER] = NOT_MODIFIED
    return Answer(outcome.body or b"", outcome.content_type, headers)
