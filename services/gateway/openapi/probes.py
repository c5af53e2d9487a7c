"""Whether it lives, whether it can work, how it is doing, and this document.

Comes in: `shared.operations`. Goes out: the calls that need no token and belong to no family.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from services.gateway.openapi.operation import Answer, Content, Operation
from services.gateway.openapi.refusals import JSON

TAG = "operations"


class Alive(TypedDict):
    """The process answers."""

    alive: Literal[True]


class Readiness(TypedDict):
    """Whether everything that is needed is there, and if not, what is missing."""

    ready: bool
    problems: NotRequired[
        Annotated[dict[str, str], Field(description="What keeps it from working, by name.")]
    ]


class OpenApi(TypedDict):
    """This document."""

    openapi: Annotated[str, Field(pattern=r"^3\.1\.")]
    info: dict[str, Any]
    paths: dict[str, Any]


class AsyncApi(TypedDict):
    """The document of the messages, AsyncAPI 3."""

    asyncapi: Annotated[str, Field(pattern=r"^3\.")]
    info: dict[str, Any]
    channels: dict[str, Any]
    operations: dict[str, Any]


def _probe(path: str, name: str, summary: str, *answers: Answer) -> Operation:
    return Operation(
        method="GET", path=path, name=name, tag=TAG, summary=summary, answers=answers,
        is_public=True,
    )  # fmt: skip


OPERATIONS = (
    _probe(
        "/healthz",
        "showHealth",
        "Does it live?",
        Answer(200, "It does.", (Content(JSON, Alive, {"alive": {"alive": True}}),)),
    ),
    _probe(
        "/readyz",
        "showReadiness",
        "Can it work?",
        Answer(200, "It can.", (Content(JSON, Readiness, {"ready": {"ready": True}}),)),
        Answer(
            503,
            "It cannot, or is shutting down.",
            (
                Content(
                    JSON,
                    Readiness,
                    {"draining": {"ready": False, "problems": {"process": "shutting down"}}},
                ),
            ),
        ),
    ),
    _probe(
        "/metrics",
        "showMetrics",
        "How is it doing? For Prometheus.",
        Answer(200, "The metrics.", (Content("text/plain", bytes),)),
    ),
    _probe(
        "/openapi.json",
        "showOpenApi",
        "This document.",
        Answer(200, "The document.", (Content(JSON, OpenApi),)),
    ),
    _probe(
        "/asyncapi.json",
        "showAsyncApi",
        "What travels over the broker.",
        Answer(200, "The document.", (Content(JSON, AsyncApi),)),
    ),
)
