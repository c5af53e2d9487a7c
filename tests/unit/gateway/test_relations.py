"""Every relation that an answer may have has a page, and the page leads to calls that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from services.gateway.openapi.document import OPERATIONS, document
from services.gateway.relations import RELATIONS, page_of

PREFIX = "fx:"


def names_in(node: Any) -> Iterator[str]:
    """The relations among the keys of schemas and examples."""
    if isinstance(node, dict):
        for name, inner in node.items():
            if name.startswith(PREFIX):
                yield name.removeprefix(PREFIX)
            yield from names_in(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from names_in(inner)


def test_what_answers_have_has_a_page() -> None:
    # What answers have beyond this document is found by tests/component/test_openapi.py.
    used = {*names_in(document())}
    assert {"reports", "user", "download_url", "errors", "events", "query"} <= used
    assert used <= {*RELATIONS}


@pytest.mark.parametrize("name", RELATIONS)
def test_a_page_says_what_it_means_and_where_it_leads(name: str) -> None:
    page = page_of(name)
    assert page is not None
    assert f"fx:{name}" in page
    assert RELATIONS[name].meaning.split()[0] in page
    calls = {f"{operation.tag}/{operation.name}" for operation in OPERATIONS}
    assert {*re.findall(r'href="\.\./docs#/([^"]+)"', page)} == {*RELATIONS[name].calls} <= calls
    others = {*re.findall(r'<a href="(\w+)"', page)}
    assert others == {*RELATIONS} - {name}


def test_what_is_no_relation_has_none() -> None:
    assert page_of("<script>") is None
