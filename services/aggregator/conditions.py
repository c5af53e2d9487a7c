"""A filter as SQL, and the columns that it looks at. Values are bound.

Comes in: a filter that was checked (`shared.contracts.analyses.Filter`). Goes out: a condition over
expressions that are text and `''` where a value is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from services.aggregator.plans import Bindings


def labels_of(filter_: Mapping[str, Any] | None) -> Iterator[str]:
    """Every label that a condition names, in the order of the conditions."""
    if filter_ is None:
        return
    for name in ("and", "or"):
        for inner in filter_.get(name, ()):
            yield from labels_of(inner)
    if "label" in filter_:
        yield filter_["label"]


def condition_sql(
    filter_: Mapping[str, Any] | None, expression_of: Mapping[str, str], bindings: Bindings
) -> str:
    """SQL that is true for the items asked for; `expression_of` has an expression by label."""
    if filter_ is None:
        return "true"
    for name, word in (("and", " AND "), ("or", " OR ")):
        if name in filter_:
            parts = (condition_sql(one, expression_of, bindings) for one in filter_[name])
            return f"({word.join(parts)})"
    value = expression_of[filter_["label"]]
    if "exists" in filter_:
        return f"{value} {'<>' if filter_['exists'] else '='} ''"
    if "in" in filter_:
        return f"{value} = ANY ({bindings.bind(filter_['in'], 'text[]')})"
    if "not" in filter_:
        return f"{value} <> {bindings.bind(filter_['not'], 'text')}"
    return f"{value} = {bindings.bind(filter_['eq'], 'text')}"
