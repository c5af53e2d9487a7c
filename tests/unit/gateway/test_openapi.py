"""The document says what the router has, is valid, and its examples are true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from services.gateway.openapi.document import OPERATIONS, document
from services.gateway.routes import add_routes
from shared.operations import Readiness, operations_routes

DOCUMENT = document()
WITHOUT_TOKEN = {
    *("/", "/assets/{name}", "/rels/{rel}", "/docs", "/docs/messages"),
    *("/healthz", "/readyz", "/metrics", "/openapi.json", "/asyncapi.json"),
}


def _routes() -> set[tuple[str, str]]:
    app = web.Application()
    app.add_routes(operations_routes(Readiness({})))
    add_routes(app)
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
    }


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_each_route_has_an_operation_and_each_operation_a_route() -> None:
    served = {operation.served_by for operation in OPERATIONS}
    assert _routes() - served == set(), "routes that the document does not have"
    assert served - _routes() == set(), "operations that the router does not have"


def test_no_operation_hides_another() -> None:
    assert len([*_operations()]) == len(OPERATIONS)
    names = [operation["operationId"] for _, operation in _operations()]
    assert len(set(names)) == len(names)


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    problems = [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()]
    assert problems == []


def test_what_needs_no_token_is_what_everybody_may_see() -> None:
    public = {name.split()[1] for name, operation in _operations() if not operation["security"]}
    assert public == WITHOUT_TOKEN
    for name, operation in _operations():
        assert ("401" in operation["responses"]) == bool(operation["security"]), name


def test_each_refusal_is_of_the_family_of_its_path() -> None:
    for name, operation in _operations():
        path = name.split()[1].strip("/").split("/")
        is_hal = path[0] in ("report", "users", "rels") or path in (
            ["reports"],
            ["reports", "{id}"],
            ["reports", "{id}", "events"],
        )
        for status, response in operation["responses"].items():
            # The one exception: /reports/x is the path of a measure, whatever is done to it.
            if "$ref" not in response or response["$ref"].endswith("/numbers405"):
                continue
            refusal = _resolved(response)
            expected = "application/hal+json" if is_hal else "application/json"
            assert [*refusal["content"]] == [expected], f"{name} {status}"
            assert response["$ref"].endswith(status)


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: Any = DOCUMENT
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    assert isinstance(found, dict)
    return found


def _examples() -> Iterator[tuple[str, dict[str, Any], Any]]:
    for name, operation in _operations():
        holders = [operation.get("requestBody", {})]
        holders += [_resolved(response) for response in operation["responses"].values()]
        for holder in holders:
            for media_type, content in holder.get("content", {}).items():
                for title, example in content.get("examples", {}).items():
                    yield f"{name} {media_type} {title}", content["schema"], example["value"]
        for parameter in operation.get("parameters", ()):
            if "example" in parameter:
                yield f"{name} {parameter['name']}", parameter["schema"], parameter["example"]


def test_examples_are_what_their_schemas_say() -> None:
    resource = Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:document", resource)
    problems = [
        f"{name}: {error.message}"
        for name, schema, example in _examples()
        for error in Draft202012Validator(_placed(schema), registry=registry).iter_errors(example)
    ]
    assert problems == []


def _placed(node: Any) -> Any:
    """The schema with references into the document, wherever it stands itself."""
    if isinstance(node, dict):
        return {
            key: f"urn:document{value}" if key == "$ref" else _placed(value)
            for key, value in node.items()
        }
    return [_placed(one) for one in node] if isinstance(node, list) else node


def test_every_call_with_a_body_shows_one() -> None:
    for name, operation in _operations():
        content = operation.get("requestBody", {}).get("content", {})
        if content:
            assert any(body.get("examples") for body in content.values()), name
