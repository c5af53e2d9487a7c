"""Where a client starts: the root, the pages of the relations, a user.

Comes in: the handlers of `entry`. Goes out: their calls.
"""

from __future__ import annotations

from typing_extensions import TypedDict

from services.gateway.handlers.entry import RELATIONS
from services.gateway.openapi import parameters
from services.gateway.openapi.hal import CURIES, Curies, Link, SelfLinks, link
from services.gateway.openapi.operation import Answer, Content, Operation
from services.gateway.problems import HAL

TAG = "entry"

RootLinks = TypedDict(
    "RootLinks",
    {
        "curies": Curies,
        "self": Link,
        "fx:reports": Link,
        "fx:registers": Link,
        "fx:item_count": Link,
        "fx:item_sum": Link,
        "fx:item_average": Link,
        "fx:query": Link,
    },
)


class Root(TypedDict):
    """Links to everything, so that a client needs no other path."""

    _links: RootLinks


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
        "fx:item_count": link("/reports/item_count", "Count of items"),
        "fx:item_sum": link("/reports/item_sum", "Sum of items"),
        "fx:item_average": link("/reports/item_average", "Average of items"),
        "fx:query": link("/reports/query", "Several measures at once"),
    }
}
_USER = {
    "_links": {"curies": CURIES, "self": link("/users/1", "This User")},
    "id": 1,
    "email": "ada@example.com",
    "name": "Ada",
}

OPERATIONS = (
    Operation(
        method="GET",
        path="/",
        name="showRoot",
        tag=TAG,
        summary="Links to everything.",
        answers=(Answer(200, "The links.", (Content(HAL, Root, {"root": _ROOT}),)),),
        is_public=True,
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
