"""The richer question about a register's items: several measures, conditions, an order, a limit.

What it has in common with the three calls is checked as theirs is, by the aggregator
(`AggregateArguments`); what is its own is typed here. The message carries the arguments as they
were written, so that all that is wrong with them can be told at once.

The reply is no message: its body is the response's body, rendered once, passed on as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    TypeAdapter,
    with_config,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import TypedDict

from shared.contracts.aggregations import AggregateArguments
from shared.contracts.message import Id, Label, Message, MetaValue

DEPTH_MAX = 8
CONDITIONS_MAX = 100
VALUES_MAX = 1_000
GROUPS_MAX = 100_000

MeasureName = Literal["count", "sum", "average", "min", "max"]
_Flag = Annotated[bool, Field(strict=True)]
_OPERATORS = ("eq", "in", "not", "exists", "and", "or")

# A missing value is "". Typed dicts, because `in`, `not`, `and` and `or` are no names of Python.
_Values = Annotated[list[MetaValue], Field(min_length=1, max_length=VALUES_MAX)]
_Filters = Annotated[list["Filter"], Field(min_length=1, max_length=CONDITIONS_MAX)]


class Equals(TypedDict):
    label: Label
    eq: MetaValue


IsOneOf = TypedDict("IsOneOf", {"label": Label, "in": _Values})
Differs = TypedDict("Differs", {"label": Label, "not": MetaValue})


class Exists(TypedDict):
    label: Label
    exists: _Flag


AllOf = TypedDict("AllOf", {"and": _Filters})
AnyOf = TypedDict("AnyOf", {"or": _Filters})


class ByMeasure(TypedDict):
    """Groups by what the measure gives for all of the range; equal ones by group."""

    measure: MeasureName
    direction: NotRequired[Literal["asc", "desc"]]


# A key too many may be a condition that is misspelt: left out, it would change the numbers.
for _shape in (Equals, IsOneOf, Differs, Exists, AllOf, AnyOf, ByMeasure):
    with_config(ConfigDict(extra="forbid"))(_shape)


def _operator(value: object) -> str | None:
    found = [name for name in _OPERATORS if isinstance(value, Mapping) and name in value]
    return found[0] if len(found) == 1 else None


def _way(value: object) -> str | None:
    if isinstance(value, Mapping):
        return "measure"
    return "group" if value == "group" else None


def _within_limits(value: object) -> object:
    """Before anything recursive looks at it."""
    level, conditions = [value], 0
    for _ in range(DEPTH_MAX):
        inner: list[Any] = []
        for one in level:
            lists = [one[name] for name in ("and", "or") if isinstance(one, dict) and name in one]
            conditions += not lists
            inner += [part for parts in lists if isinstance(parts, list) for part in parts]
        if conditions > CONDITIONS_MAX:
            raise ValueError(f"must have at most {CONDITIONS_MAX} conditions")
        level = inner
    if level:
        raise ValueError(f"must be at most {DEPTH_MAX} deep")
    return value


def _distinct(measures: list[str]) -> list[str]:
    if len(set(measures)) < len(measures):
        raise ValueError("must not name a measure twice")
    return measures


Filter: TypeAlias = Annotated[
    Annotated[Equals, Tag("eq")]
    | Annotated[IsOneOf, Tag("in")]
    | Annotated[Differs, Tag("not")]
    | Annotated[Exists, Tag("exists")]
    | Annotated[AllOf, Tag("and")]
    | Annotated[AnyOf, Tag("or")],
    Discriminator(
        _operator,
        custom_error_type="filter",
        custom_error_message="must have exactly one of eq, in, not, exists, and, or",
    ),
]
Order: TypeAlias = Annotated[
    Annotated[Literal["group"], Tag("group")] | Annotated[ByMeasure, Tag("measure")],
    Discriminator(
        _way,
        custom_error_type="order",
        custom_error_message='must be "group" or {"measure": ..., "direction": ...}',
    ),
]


class AnalysisArguments(AggregateArguments):
    """What a caller may ask. Unlike the three calls it refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid")

    measures: Annotated[
        list[MeasureName], Field(min_length=1, max_length=5), AfterValidator(_distinct)
    ]
    filter: Annotated[Filter, BeforeValidator(_within_limits)] | None = None
    order: Order | None = None
    limit: Annotated[int, Field(ge=1, le=GROUPS_MAX, strict=True)] | None = None
    totals: _Flag | None = None
    compare: Literal["previous_period"] | None = None


class _AsWritten:
    """Not validated here, but described as what it should be."""

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(TypeAdapter(AnalysisArguments).core_schema)


class AggregateAnalysis(Message):
    """Ask for several measures of a register's items at once.

    `store_id` is the only store whose registers the asker may see. After `deadline` nobody
    waits for the answer any more, and none is computed.
    """

    kind: Literal["aggregate.analysis.v1"] = "aggregate.analysis.v1"
    store_id: Id
    arguments: Annotated[dict[str, Any], _AsWritten()]
    deadline: AwareDatetime
    representation: Literal["json", "csv"] = "json"
    if_none_match: str | None = Field(default=None, max_length=8_192)
