"""The document of the messages says what travels, is whole, and old messages are as it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from services.gateway.asyncapi import document
from shared.contracts.routes import EVENTS, QUEUES, ROUTES

DOCUMENT = document()
ROOT = Path(__file__).parents[3]
GOLDEN = Path(__file__).parents[2] / "contracts" / "golden"
# Those who write AsyncAPI publish it; it comes with what the page is built with.
OFFICIAL = ROOT / "ui/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"
REGISTRY = Registry[Any]().with_resource("urn:doc", Resource(DOCUMENT, DRAFT202012))
# What AsyncAPI 3.0.0 allows at each place, as far as we use it: a misspelt word is found here.
ALLOWED = {
    "": {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"},
    "channels": {"address", "title", "description", "messages", "bindings"},
    "operations": {"action", "channel", "summary", "messages", "reply", "bindings"},
    "reply": {"address", "channel", "messages"},
    "messages": {"name", "title", "summary", "contentType", "correlationId", "payload"},
}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def at(reference: str) -> Any:
    found = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_every_reference_leads_somewhere() -> None:
    found = {*references(DOCUMENT)}
    assert found
    for reference in found:
        assert at(reference) is not None


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    assert OFFICIAL.exists(), f"{OFFICIAL.relative_to(ROOT)} is missing: make page"
    return Draft7Validator(json.loads(OFFICIAL.read_text()))


def test_it_is_asyncapi_3_by_the_official_schema(official: Draft7Validator) -> None:
    told = json.loads(json.dumps(DOCUMENT))
    assert [f"{e.json_path}: {e.message[:200]}" for e in official.iter_errors(told)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"operations": {"x": {"action": "publish", "channel": {"$ref": "#/channels/replies"}}}},
        {"channels": {"x": {"address": "x", "mesages": {}}}},
        {"components": {"messages": {"x": {"payload": {"type": "nothing"}}}}},
        {"info": {"title": "Tallyport"}},
    ],
)
def test_the_official_schema_finds_what_is_wrong(
    official: Draft7Validator, wrong: dict[str, Any]
) -> None:
    assert [*official.iter_errors({**json.loads(json.dumps(DOCUMENT)), **wrong})]


def test_it_has_the_shape_of_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {*DOCUMENT} <= ALLOWED[""]
    assert {"title", "version"} <= {*DOCUMENT["info"]}
    for channel in DOCUMENT["channels"].values():
        assert {*channel} <= ALLOWED["channels"]
        assert channel["address"] is None or isinstance(channel["address"], str)
        for message in channel["messages"].values():
            assert message["$ref"].startswith("#/components/messages/")
    for operation in DOCUMENT["operations"].values():
        assert {*operation} <= ALLOWED["operations"]
        assert operation["action"] in ("send", "receive")
        # The messages of an operation are those of its channel, by their place in it.
        for part in (operation, operation.get("reply")):
            if part is not None:
                beginning = part["channel"]["$ref"] + "/messages/"
                assert all(one["$ref"].startswith(beginning) for one in part["messages"])
        assert {*operation.get("reply", {})} <= ALLOWED["reply"]
    for message in DOCUMENT["components"]["messages"].values():
        assert {*message} <= ALLOWED["messages"]


def test_every_queue_command_event_and_reply_is_there() -> None:
    assert {queue.name for queue in QUEUES} <= {*DOCUMENT["channels"]}
    directions: dict[str, set[str]] = {"receive": set(), "send": set()}
    for operation in DOCUMENT["operations"].values():
        names = {one["$ref"].rpartition("/")[2] for one in operation["messages"]}
        directions[operation["action"]] |= names
        if operation["action"] == "receive":
            (kind,) = names
            replies = {
                one["$ref"].rpartition("/")[2]
                for one in operation.get("reply", {}).get("messages", ())
            }
            assert {reply.KIND for reply in ROUTES[kind].replies} <= replies
            assert bool(replies) == bool(ROUTES[kind].replies)
    assert directions == {"receive": {*ROUTES}, "send": {*EVENTS}}


def test_schemas_are_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_golden_messages_are_as_it_says(path: Path) -> None:
    message = DOCUMENT["components"]["messages"][path.stem]
    schema = {"$ref": "urn:doc" + message["payload"]["$ref"]}
    validator = Draft202012Validator(schema, registry=REGISTRY)
    golden = json.loads(path.read_text())
    assert [error.message for error in validator.iter_errors(golden)] == []
    # It is looked at: the kind is no other's.
    assert [*validator.iter_errors({**golden, "kind": "somebody.elses.v1"})]
