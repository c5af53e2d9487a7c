"""Links as HAL has them: `_links` with curies, so that the names of relations lead to a page.

Comes in: nothing. Goes out: the types that several families show, and the seed's links.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

SEED = "https://api.foxycart.com"


class Link(TypedDict):
    """Where something is, and a name for people."""

    href: str
    title: NotRequired[str]


class Curie(TypedDict):
    """What a prefix of relations stands for: `fx:user` is `{href}` with `user` for `{rel}`."""

    name: str
    href: Annotated[str, Field(description="A URI template.", pattern=r"\{rel\}$")]
    templated: bool


Curies = Annotated[list[Curie], Field(min_length=1)]


class SelfLinks(TypedDict):
    curies: Curies
    self: Link


class CuriesOnly(TypedDict):
    curies: Curies


CURIES: list[dict[str, Any]] = [{"name": "fx", "href": f"{SEED}/rels/{{rel}}", "templated": True}]


def link(path: str, title: str) -> dict[str, str]:
    """A link of the examples."""
    return {"href": f"{SEED}{path}", "title": title}
