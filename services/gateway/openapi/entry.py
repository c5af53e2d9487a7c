"""Where a client starts: the root, the pages of the relations, the caller's store, a user.

Comes in: the handlers of `entry`. Goes out: their calls.
"""

from __future__ import annotations

from typing_extensions import TypedDict

from services.gateway.openapi import parameters
from services.gateway.openapi.hal import CURIES, Curies, Link, SelfLinks, link
from services.gateway.openapi.operation import Answer, Content, Operation
from services.gateway.problems import HAL
from services.gateway.relations import RELATIONS

TAG = "entry"

RootLinks = TypedDict(
    "RootLinks",
    {
        "curies": Curies,
        "self": Link,
        "fx:reports": Link,
        "fx:registers": Link,
        "fx:store": Link,
        "fx:item_count": Link,
        "fx:item_sum": Link,
        "fx:item_average": Link,
        "fx:query": Link,
    },
)


class Root(TypedDict):
    """Links to everything, so that a client needs no other path."""

    _links: RootLinks


class Store(TypedDict):
    """The store that the caller acts for; `scopes` are those of the caller's token."""

    id: int
    name: str
    timezone: str
    currency: str
    currency_digits: int
    scopes: list[str]


class User(TypedDict):
    """A user who shares a store with the caller."""

    _links: SelfLinks
    id: int
    email: str
    name: str


_ROOT = {
    "_links": {
        "curies": CURIES,
        "self": link("/", "Tallyport"),
        "fx:reports": link("/reports", "Reports"),
        "fx:registers": link("/registers", "Registers"),
        "fx:store": link("/store", "The store of the caller"),
        "fx:item_count": link("/reports/item_count", "Count of items"),
        "fx:item_sum": link("/reports/item_sum", "Sum of items"),
        "fx:item_average": link("/reports/item_average", "Average of items"),
        "fx:query": link("/reports/query", "Several measures at once"),
    }
}
_STORE = {
    "id": 1,
    "name": "Tea House",
    "timezone": "Europe/London",
    "currency": "GBP",
    "currency_digits": 2,
    "scopes": ["read", "write"],
}
_USER = {
    "_links": {"curies": CURIES, "self": link("/users/1", "This User")},
    "id": 1,
    "email": "ada@example.com",
    "name": "Ada",
}

NOT_BUILT = Answer(503, "It was not built; says what to do.", (Content("text/html", bytes),))

OPERATIONS = (
    Operation(
        method="GET",
        path="/",
        name="showRoot",
        tag=TAG,
        summary="Links to everything.",
        description="With `Accept: text/html` before JSON, as browsers send it: the web page.",
        answers=(
            Answer(
                200,
                "The links, or the page.",
                (Content(HAL, Root, {"root": _ROOT}), Content("text/html", bytes)),
            ),
        ),
        is_public=True,
    ),
    Operation(
        method="GET",
        path="/assets/{name}",
        name="readPageFile",
        tag=TAG,
        summary="A file of the web page.",
        parameters=(
            {
                "name": "name",
                "in": "path",
                "required": True,
                "description": "As the page names it.",
                "schema": {"type": "string", "minLength": 1},
                "example": "index.css",
            },
        ),
        answers=(
            Answer(
                200,
                "The file.",
                tuple(
                    Content(media_type, bytes)
                    for media_type in ("text/javascript", "text/css", "image/svg+xml", "font/woff2")
                ),
            ),
        ),
        refusals=(404,),
        is_public=True,
    ),
    Operation(
        method="GET",
        path="/docs",
        name="readCalls",
        tag=TAG,
        summary="This document in a viewer, to be read and tried out.",
        answers=(
            Answer(200, "The viewer.", (Content("text/html", bytes),)),
            NOT_BUILT,
        ),
        is_public=True,
    ),
    Operation(
        method="GET",
        path="/docs/messages",
        name="readMessages",
        tag=TAG,
        summary="The AsyncAPI document in a viewer.",
        answers=(
            Answer(200, "The viewer.", (Content("text/html", bytes),)),
            NOT_BUILT,
        ),
        is_public=True,
    ),
    Operation(
        method="GET",
        path="/store",
        name="findStore",
        tag=TAG,
        summary="The store that the caller acts for.",
        parameters=(parameters.STORE, parameters.REQUEST_ID),
        answers=(
            Answer(200, "The store.", (Content("application/json", Store, {"store": _STORE}),)),
        ),
        refusals=(422,),
    ),
    Operation(
        method="GET",
        path="/rels/{rel}",
        name="explainRelation",
        tag=TAG,
        summary="What a relation means, for people.",
        parameters=(
            {
                "name": "rel",
                "in": "path",
                "required": True,
                "description": f"One of: {', '.join(RELATIONS)}.",
                "schema": {"type": "string", "minLength": 1},
                "example": "report",
            },
        ),
        answers=(Answer(200, "A page.", (Content("text/html", bytes),)),),
        family="reports",
        refusals=(404,),
        is_public=True,
    ),
    Operation(
        method="GET",
        path="/users/{id}",
        name="findUser",
        tag=TAG,
        summary="A user who shares a store with the caller.",
        parameters=(parameters.path_id("The user's id."), parameters.REQUEST_ID),
        answers=(Answer(200, "The user.", (Content(HAL, User, {"user": _USER}),)),),
        family="reports",
        refusals=(404,),
    ),
)
