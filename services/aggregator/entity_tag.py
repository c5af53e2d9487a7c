"""The ETag of an answer, known before the answer is.

Comes in: the register's version and the question as it was understood. Goes out: a strong ETag
that is the same for every spelling of one question (`Z` or `+00:00`, `month` or `MONTH`, a label
given twice) and another one after every write to the register.
"""

from __future__ import annotations

import hashlib
import json

from services.aggregator.analysis_arguments import Analysis
from services.aggregator.arguments import Grouping, Scope
from services.aggregator.conditions import labels_of

# To be raised whenever the bytes of an answer change for another reason than its data.
FORMAT = 1


def entity_tag(scope: Scope, grouping: Grouping, version: int, representation: str) -> str:
    """With its quotes, as it stands in the header."""
    parts = (
        FORMAT,
        *(scope.store_id, scope.register_id, version),
        *(scope.measure, scope.start_at.isoformat(), scope.end_at.isoformat()),
        # Without periods the zone makes no difference.
        *((grouping.period, scope.timezone) if grouping.period else ()),
        *(grouping.labels, grouping.columns, grouping.invert_sign, representation),
    )
    return _tag(parts)


def analysis_tag(analysis: Analysis, version: int, representation: str) -> str:
    """The same for an analysis: of all that it is made of, the zone too."""
    scope, grouping = analysis.scope, analysis.grouping
    columns = {label: analysis.column_of[label] for label in labels_of(analysis.filter)}
    return _tag(
        (
            *("analysis", FORMAT, scope.store_id, scope.register_id, version, representation),
            *(scope.timezone, scope.start_at.isoformat(), scope.end_at.isoformat()),
            *(grouping.period, grouping.labels, grouping.columns, grouping.invert_sign),
            *(analysis.measures, analysis.filter, columns, analysis.order_by),
            *(analysis.is_descending, analysis.limit, analysis.has_totals, analysis.is_compared),
        )
    )


def content_tag(body: bytes) -> str:
    """Of an answer that may change without the register: a rollup that is new makes it exact."""
    return _tag((FORMAT, body.decode()))


def _tag(parts: tuple[object, ...]) -> str:
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f'"{digest[:32]}"'


def is_known(tag: str, if_none_match: str | None) -> bool:
    """Whether a caller's `If-None-Match` names this tag (RFC 9110: weak comparison, a list, or
    `*`). Ours hold no comma, so a split finds them in any list."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return any(
        candidate.strip().removeprefix("W/") == tag for candidate in if_none_match.split(",")
    )
