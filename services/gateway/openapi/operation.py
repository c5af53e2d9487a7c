"""A call as values, and its shape in OpenAPI.

Comes in: what the families write down. Goes out: Operation, Response, Parameter and Header
objects of OpenAPI 3.1. A body's shape is a Python type; `schema_of` turns it into its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Json = dict[str, Any]
SchemaOf = Callable[[Any], Json]
FamilyName = Literal["reports", "numbers", "records"]

BEARER = "bearer"
# Where requests of a token are counted at all.
ALLOWANCE = ("RateLimit", "RateLimit-Policy")


@dataclass(frozen=True, slots=True)
class Content:
    """A body of one media type. `shape` is a type that pydantic knows: `bytes` stands for text
    that is described by its examples only (CSV, NDJSON, a page)."""

    media_type: str
    shape: Any
    examples: Mapping[str, Any] = field(default_factory=dict)

    def rendered(self, schema_of: SchemaOf) -> Json:
        content: Json = {"schema": schema_of(self.shape)}
        if self.examples:
            content["examples"] = {name: {"value": value} for name, value in self.examples.items()}
        return {self.media_type: content}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered when it goes well. `headers` names those that always come, of
    `parameters.HEADERS`; `sometimes` those that need not."""

    status: int
    description: str
    contents: tuple[Content, ...] = ()
    headers: tuple[str, ...] = ()
    sometimes: tuple[str, ...] = ()
    links: Mapping[str, Json] = field(default_factory=dict)

    def rendered(self, schema_of: SchemaOf, headers: Mapping[str, Json]) -> Json:
        names = ("X-Request-Id", *self.headers)
        shown = {name: {**headers[name], "required": True} for name in names}
        shown |= {name: headers[name] for name in self.sometimes}
        response: Json = {"description": self.description, "headers": shown}
        if self.contents:
            response["content"] = {
                media_type: body
                for content in self.contents
                for media_type, body in content.rendered(schema_of).items()
            }
        if self.links:
            response["links"] = dict(self.links)
        return response


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call. `refusals` are statuses of `family`; 401, 403, 429, 500 and 503 are added to all
    calls that need a token. `also` names refusals of another family (`numbers405`). `route` is the
    router's path where it is another: it has one for all measures."""

    method: str
    path: str
    name: str
    tag: str
    summary: str
    description: str = ""
    parameters: tuple[Json, ...] = ()
    body: tuple[Content, ...] = ()
    answers: tuple[Answer, ...]
    family: FamilyName = "numbers"
    refusals: tuple[int, ...] = ()
    also: tuple[str, ...] = ()
    is_public: bool = False
    route: str | None = None

    @property
    def served_by(self) -> tuple[str, str]:
        """(method, path) as the router's table has them."""
        return self.method, self.route or self.path

    def with_head(self) -> Iterator[Operation]:
        """Itself, and for a GET what the router makes of it: HEAD, the same without a body."""
        yield self
        if self.method == "GET":
            yield replace(
                self,
                method="HEAD",
                name=f"{self.name}Headers",
                summary=f"{self.summary} The headers only.",
                answers=tuple(replace(answer, contents=(), links={}) for answer in self.answers),
            )

    def told(self) -> Iterator[Answer]:
        """The answers, with what is told to whoever has a token."""
        for answer in self.answers:
            more = () if self.is_public else ALLOWANCE
            yield replace(answer, sometimes=(*answer.sometimes, *more))

    def statuses(self) -> tuple[int, ...]:
        """Every status that is a refusal."""
        of_all = () if self.is_public else (401, 403, 429, 500, 503)
        return tuple(sorted({*of_all, *self.refusals}))

    def rendered(self, schema_of: SchemaOf, headers: Mapping[str, Json]) -> Json:
        operation: Json = {
            "operationId": self.name,
            "tags": [self.tag],
            "summary": self.summary,
            "security": [] if self.is_public else [{BEARER: []}],
            "responses": {
                **{str(one.status): one.rendered(schema_of, headers) for one in self.told()},
                **{
                    str(status): {"$ref": f"#/components/responses/{self.family}{status}"}
                    for status in self.statuses()
                },
                **{name[-3:]: {"$ref": f"#/components/responses/{name}"} for name in self.also},
            },
        }
        if self.description:
            operation["description"] = self.description
        if self.parameters:
            operation["parameters"] = list(self.parameters)
        if self.body:
            content = {
                media_type: body
                for one in self.body
                for media_type, body in one.rendered(schema_of).items()
            }
            operation["requestBody"] = {"required": True, "content": content}
        return operation
