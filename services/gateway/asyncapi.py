"""`GET /asyncapi.json`: what travels over the broker, as an AsyncAPI 3 document.

Comes in: the contracts and `routes`, which every message, queue and exchange is read from, so that
none can be left out. Goes out: the document. We receive commands and answer them; we send events.
"""

from __future__ import annotations

import inspect
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import TypeAdapter

from services.gateway.openapi.document import API_VERSION, ContractJsonSchema
from shared.contracts.message import Message
from shared.contracts.routes import (
    BUILD_LARGE,
    CONTENT_TYPE,
    EVENTS,
    EVENTS_EXCHANGE,
    QUEUES,
    ROUTES,
    Queue,
    Route,
)

_DESCRIPTION = """\
Commands are published to an exchange with their queue's name as routing key, with confirms and
`mandatory`. Whoever sets `reply_to` gets an answer there: a reply of the command's, or
`failure.v1`.
Events are CloudEvents 1.0 in binary mode on the topic exchange `tallyport.events`.
"""
# Answers whose body is not a message of ours: the same bytes as over HTTP.
_BODIES = {
    "aggregate.query.v1": (
        "The body of `POST /reports/item_...`.",
        ("application/json", "text/csv"),
    ),
    "aggregate.analysis.v1": (
        "The body of `POST /reports/query`.",
        ("application/json", "text/csv"),
    ),
    "aggregate.dimensions.v1": (
        "The body of `GET /registers/{id}/dimensions`.",
        ("application/json",),
    ),
    "report.request.v1": ("The resource, as `POST /reports` answers.", ("application/hal+json",)),
}


def document() -> dict[str, Any]:
    """All of it but the address of the broker, which is the operator's to tell."""
    messages = _messages()
    schemas = _schemas(messages)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tallyport",
            "version": API_VERSION,
            "description": _DESCRIPTION,
            "license": {
                "name": "Apache 2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            **{queue.name: _queue(queue) for queue in QUEUES},
            EVENTS_EXCHANGE: _events(),
            "replies": _replies(messages),
        },
        "operations": {
            **{
                _operation(route, queue): _command(route, queue)
                for route in ROUTES.values()
                for queue in queues_of(route)
            },
            **{kind: _event(kind) for kind in EVENTS},
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def queues_of(route: Route) -> tuple[Queue, ...]:
    """A report's build has a queue for small ones and one for large ones."""
    others = (BUILD_LARGE,) if route.kind == "report.build.v1" else ()
    return (route.queue, *others)


def asyncapi_page() -> Handler:
    """The handler. The document is made once, when the routes are."""
    body = orjson.dumps(document())

    async def page(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return page


def _messages() -> dict[str, Any]:
    classes: dict[str, type[Message]] = {r.kind: r.message for r in ROUTES.values()} | EVENTS
    for route in ROUTES.values():
        classes |= {reply.KIND: reply for reply in route.replies}
    messages: dict[str, Any] = {kind: _message(kind, one) for kind, one in classes.items()}
    for kind, (summary, types) in _BODIES.items():
        for number, content_type in enumerate(types):
            messages[_answer(kind, number)] = {
                "title": f"The answer to {kind}",
                "summary": summary,
                "contentType": content_type,
                "payload": {},
            }
    return messages


def _summary(message: type[Message]) -> str:
    """What its class says first. A summary is plain text."""
    told = inspect.getdoc(message) or ""
    return " ".join(told.partition("\n\n")[0].replace("`", "'").split())


def _message(kind: str, message: type[Message]) -> dict[str, Any]:
    return {
        "name": kind,
        "title": kind,
        "summary": _summary(message),
        "contentType": CONTENT_TYPE,
        "correlationId": {"location": "$message.header#/correlation_id"},
        "payload": {"$ref": f"#/components/schemas/{message.__name__}"},
    }


def _answer(kind: str, number: int) -> str:
    return f"{kind}.answer" if number == 0 else f"{kind}.answer.{number + 1}"


def _schemas(messages: dict[str, Any]) -> dict[str, Any]:
    classes: list[type[Message]] = [route.message for route in ROUTES.values()]
    classes += [*EVENTS.values(), *(reply for route in ROUTES.values() for reply in route.replies)]
    _, made = TypeAdapter.json_schemas(
        [(one.__name__, "validation", TypeAdapter(one)) for one in dict.fromkeys(classes)],
        ref_template="#/components/schemas/{model}",
        schema_generator=ContractJsonSchema,
    )
    schemas: dict[str, Any] = made["$defs"]
    named = {
        one["payload"]["$ref"].rpartition("/")[2] for one in messages.values() if one["payload"]
    }
    if not named <= set(schemas):
        raise RuntimeError(f"messages without a schema: {named - set(schemas)}")
    return schemas


def _queue(queue: Queue) -> dict[str, Any]:
    kinds = [route.kind for route in ROUTES.values() if queue in queues_of(route)]
    return {
        "address": queue.name,
        "title": queue.name,
        "description": (
            f"The exchange {queue.exchange}, with {queue.name} as routing key; bodies up to "
            f"{queue.body_bytes_max} bytes."
        ),
        "messages": _referred(kinds),
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {
                    "name": queue.name,
                    "durable": True,
                    "exclusive": False,
                    "autoDelete": False,
                },
                "bindingVersion": "0.3.0",
            }
        },
    }


def _events() -> dict[str, Any]:
    return {
        "address": EVENTS_EXCHANGE,
        "title": "Events",
        "description": "The kind is the routing key: bind a queue of your own to what you want.",
        "messages": _referred([*EVENTS]),
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {
                    "name": EVENTS_EXCHANGE,
                    "type": "topic",
                    "durable": True,
                    "autoDelete": False,
                },
                "bindingVersion": "0.3.0",
            }
        },
    }


def _replies(messages: dict[str, Any]) -> dict[str, Any]:
    commands = {*ROUTES} | {*EVENTS}
    return {
        "address": None,
        "title": "The asker's queue",
        "description": "Named by the property `reply_to` of a command; an exclusive one, usually.",
        "messages": _referred([name for name in messages if name not in commands]),
    }


def _referred(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _operation(route: Route, queue: Queue) -> str:
    return route.kind if queue == route.queue else f"{route.kind}.{queue.name}"


def _command(route: Route, queue: Queue) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{queue.name}"},
        "summary": _summary(route.message),
        "messages": [{"$ref": f"#/channels/{queue.name}/messages/{route.kind}"}],
        "bindings": {"amqp": {"ack": True, "bindingVersion": "0.3.0"}},
    }
    answers = [reply.KIND for reply in route.replies]
    if route.kind in _BODIES:
        answers += [_answer(route.kind, n) for n in range(len(_BODIES[route.kind][1]))]
    if answers:
        operation["reply"] = {
            "address": {"location": "$message.header#/reply_to"},
            "channel": {"$ref": "#/channels/replies"},
            "messages": [{"$ref": f"#/channels/replies/messages/{name}"} for name in answers],
        }
    return operation


def _event(kind: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{EVENTS_EXCHANGE}"},
        "summary": _summary(EVENTS[kind]),
        "messages": [{"$ref": f"#/channels/{EVENTS_EXCHANGE}/messages/{kind}"}],
    }
