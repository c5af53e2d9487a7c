"""Named queries: SQL lives in `.sql` files, each statement with a name and a reason.

A file is a series of

    -- name: claim_report
    -- Take the report, if nobody else has it.
    UPDATE ...

Comes in: the file beside a module. Goes out: a mapping from name to statement.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)
_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\n(?=-- \S)", re.MULTILINE)


_names: dict[str, str] = {}


def name_of(statement: str) -> str | None:
    """The name of a statement that was loaded from a file."""
    return _names.get(statement)


def load_expressions(module_file: str) -> Mapping[str, str]:
    """The same file as parts to put statements together from, without their sentences of why:
    a part may be used many times in one statement."""
    parts = load_queries(module_file)
    bare = {name: _COMMENT.sub("", part).strip() for name, part in parts.items()}
    return MappingProxyType(bare)


def load_queries(module_file: str, name: str | None = None) -> Mapping[str, str]:
    """The queries of the `.sql` file beside `module_file` (of the same name, or of `name`).

    Raises `ValueError` for a file without queries, a query without its sentence of why, or a
    name that is given twice.
    """
    path = Path(module_file)
    path = path.with_name(name) if name else path.with_suffix(".sql")
    source = path.read_text(encoding="utf-8")
    if len(_NAME.findall(source)) != source.count("-- name:"):
        raise ValueError(f"{path.name}: each query needs a name and a line that says why")
    names_and_bodies = _NAME.split(source)[1:]
    queries: dict[str, str] = {}
    for query, body in zip(names_and_bodies[::2], names_and_bodies[1::2], strict=True):
        if query in queries:
            raise ValueError(f"{path.name}: the query {query} is there twice")
        queries[query] = body.strip()
        _names[queries[query]] = query
    if not queries:
        raise ValueError(f"{path.name}: no queries in it")
    return MappingProxyType(queries)
