"""Refusals: the two families of error bodies, and the statuses that they come with.

Comes in: `problems`, which makes them. Goes out: their types, and components of OpenAPI named by
family and status. `records` is `numbers` with the count of what was committed before the refusal.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from services.gateway.openapi.hal import CURIES, CuriesOnly
from services.gateway.openapi.operation import ALLOWANCE, Answer, Content, FamilyName
from services.gateway.problems import HAL

JSON = "application/json"
Count = Annotated[int, Field(ge=0)]


class ProblemDetail(TypedDict):
    """One thing that is wrong. `index` counts from 0 in the batch as it was sent."""

    index: NotRequired[Count]
    field: NotRequired[str]
    reason: str


class Problem(TypedDict):
    """Why it was refused, in words; `errors` one by one where there can be several."""

    error: Annotated[str, Field(min_length=1)]
    errors: NotRequired[list[ProblemDetail]]


class RecordProblem(Problem):
    """A refusal in the middle of a body says what was committed before: sending it all again
    changes nothing of that."""

    inserted: NotRequired[Count]
    replaced: NotRequired[Count]
    duplicates: NotRequired[Count]


class VndErrorEntry(TypedDict):
    """One thing that is wrong."""

    logref: Annotated[str, Field(pattern="^id-[0-9a-f]+$")]
    message: Annotated[str, Field(min_length=1)]


VndErrorEntries = TypedDict(
    "VndErrorEntries", {"fx:errors": Annotated[list[VndErrorEntry], Field(min_length=1)]}
)


class VndError(TypedDict):
    """A vnd.error body: one entry for each thing that is wrong."""

    total: Annotated[int, Field(ge=1)]
    _links: CuriesOnly
    _embedded: VndErrorEntries


_BODIES: dict[FamilyName, tuple[str, Any]] = {
    "reports": (HAL, VndError),
    "numbers": (JSON, Problem),
    "records": (JSON, RecordProblem),
}
_STATUSES = {
    400: ("The body cannot be read.", "the body is not JSON: EOF while parsing at line 1 column 1"),
    401: ("No token, or none that is valid now.", "a valid bearer token is required"),
    403: ("The token lacks the scope.", "the token lacks the scope write"),
    404: ("It does not exist, or is not the caller's.", "there is no report 1"),
    405: ("The path does not take the method.", "PUT is not allowed here, only GET, HEAD"),
    408: ("The body did not come.", "no body for 30 seconds"),
    409: ("It contradicts what is there already.", "the label 'account' is in use"),
    413: ("The body, or a record of it, is too long.", "the body is over 1048576 bytes"),
    415: ("The body's media type is not taken here.", "send application/json; not text/html"),
    422: ("A value is not allowed.", "Invalid register_id"),
    429: (
        "The token has too much going on at once, or its address has tried too many others.",
        "the token has as many event streams open",
    ),
    500: ("A mistake of ours.", "Unable to render report"),
    503: ("Something that is needed does not answer; try again.", "the database does not answer"),
    504: ("The deadline has passed.", "no answer within 10 s"),
}
_HEADERS: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
    504: ("Retry-After",),
}


def refusals() -> dict[str, Answer]:
    """Every refusal of every family, by the name of its component."""
    return {
        f"{family}{status}": _refusal(family, status) for family in _BODIES for status in _STATUSES
    }


def _refusal(family: FamilyName, status: int) -> Answer:
    description, message = _STATUSES[status]
    media_type, shape = _BODIES[family]
    return Answer(
        status,
        description,
        (Content(media_type, shape, {"refused": _example(family, message)}),),
        headers=_HEADERS.get(status, ()),
        sometimes=(
            *(("Retry-After",) if status == 409 else ()),
            # Nobody was counted yet.
            *(ALLOWANCE if status != 401 else ()),
        ),
    )


def _example(family: FamilyName, message: str) -> dict[str, Any]:
    if family != "reports":
        return {"error": message}
    return {
        "total": 1,
        "_links": {"curies": CURIES},
        "_embedded": {"fx:errors": [{"logref": "id-3a6e5be0c4d14f0a", "message": message}]},
    }
