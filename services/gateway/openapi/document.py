"""The whole document.

Comes in: the families' operations. Goes out: an OpenAPI 3.1 document as a dict, without `servers`,
which only the request knows.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from services.gateway.openapi import (
    aggregates,
    analyses,
    dimensions,
    entry,
    items,
    probes,
    records,
    registers,
    reports,
)
from services.gateway.openapi.operation import BEARER, Answer, Content, Operation
from services.gateway.openapi.parameters import HEADERS
from services.gateway.openapi.refusals import refusals

# Of what is promised, not of the code: an image has no package metadata, and needs none.
API_VERSION = "1.0.0"
_DESCRIPTION = """\
Asynchronous reports (`/reports`), exact counts, sums and averages over registers
(`/reports/item_...`, `/reports/query`), and the ledgers and records that both are made of.

A path refuses methods that it does not have with 405 and `Allow`. What is no HTTP at all (a header
with a control character in it, a line over 8190 bytes) is 400 in plain text: nobody knows which
family it would have belonged to.
"""
_TEXT: dict[str, Any] = {"type": "string"}

FAMILIES = (entry, reports, aggregates, analyses, registers, items, dimensions, records, probes)
OPERATIONS: tuple[Operation, ...] = tuple(
    operation
    for family in FAMILIES
    for written in family.OPERATIONS
    for operation in written.with_head()
)


def document() -> dict[str, Any]:
    """Everything but `servers`."""
    answers = refusals()
    schemas = _Schemas([*OPERATIONS], [*answers.values()])
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        methods = paths.setdefault(operation.path, {})
        methods[operation.method.lower()] = operation.rendered(schemas.of, HEADERS)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tallyport",
            "version": API_VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "tags": [
            {"name": family.TAG, "description": (family.__doc__ or "").partition("\n")[0]}
            for family in FAMILIES
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {
                BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of a user and one store, or a service token.",
                }
            },
            "responses": {
                name: answer.rendered(schemas.of, HEADERS) for name, answer in answers.items()
            },
            "schemas": schemas.components,
        },
    }


class ContractJsonSchema(GenerateJsonSchema):
    """Pydantic's, without titles that repeat the name, and without `null` for "absent"."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


class _Schemas:
    """The schemas of all bodies, made at once so that each type is there once, by its name."""

    def __init__(self, operations: list[Operation], answers: list[Answer]) -> None:
        contents: list[Content] = [one for operation in operations for one in operation.body]
        answers = [*answers, *(one for operation in operations for one in operation.answers)]
        contents += [one for answer in answers for one in answer.contents]
        shapes = {_key(one.shape): one.shape for one in contents if one.shape is not bytes}
        made, definitions = TypeAdapter.json_schemas(
            [(key, "validation", TypeAdapter(shape)) for key, shape in shapes.items()],
            ref_template="#/components/schemas/{model}",
            schema_generator=ContractJsonSchema,
        )
        self._made = {key: schema for (key, _), schema in made.items()}
        self.components: dict[str, Any] = definitions["$defs"]

    def of(self, shape: Any) -> dict[str, Any]:
        """A reference, or the schema itself where it has no name."""
        return _TEXT if shape is bytes else self._made[_key(shape)]


def _key(shape: Any) -> str:
    return repr(shape)
