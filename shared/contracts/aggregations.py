"""Questions about the items of a register: grouped count, sum and average.

The arguments travel as the caller wrote them: docs/http.md fixes the order in which they are
checked and the text of each refusal, and that order is kept in one place, the aggregator, for HTTP
callers and for producers on the queue alike. The types here say what is meant; wrong ones are
refused by the aggregator with the documented text, not by the parser.

The reply is no message: its body is the response's body, rendered once, passed on as bytes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, WithJsonSchema

from shared.contracts.message import Contract, Id, Message

_Unchecked = Any

Instant = Annotated[
    _Unchecked,
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2024-01-01T00:00:00Z"]}),
]


class AggregateArguments(Contract):
    """What a caller may ask. Bounds are inclusive instants; `null` equals absent."""

    start_at: Instant = None
    end_at: Instant = None
    register_id: Annotated[_Unchecked, WithJsonSchema({"type": "integer", "minimum": 1})] = None
    group_by_period: Annotated[
        _Unchecked,
        WithJsonSchema(
            {
                "type": ["string", "null"],
                "enum": ["day", "week", "month", "quarter", "year", "all", "", None],
            }
        ),
    ] = None
    timezone: Annotated[
        _Unchecked, WithJsonSchema({"type": ["string", "null"], "examples": ["America/Detroit"]})
    ] = None
    group_by: Annotated[
        _Unchecked, WithJsonSchema({"type": ["array", "null"], "items": {"type": "string"}})
    ] = None
    invert_sign: Annotated[_Unchecked, WithJsonSchema({"type": ["boolean", "null"]})] = None


class AggregateQuery(Message):
    """Ask for `measure` ("item_count", "item_sum", "item_average") over a register's items.

    `store_id` is the only store whose registers the asker may see. After `deadline` nobody
    waits for the answer any more, and none is computed. `if_none_match` is the header's value:
    an answer that the caller has already is not computed either.
    """

    kind: Literal["aggregate.query.v1"] = "aggregate.query.v1"
    store_id: Id
    measure: str = Field(max_length=100)
    arguments: AggregateArguments
    deadline: AwareDatetime
    representation: Literal["json", "csv"] = "json"
    if_none_match: str | None = Field(default=None, max_length=8_192)
