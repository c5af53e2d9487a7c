"""Statements in traces, by OpenTelemetry's conventions for databases
(https://opentelemetry.io/docs/specs/semconv/db/postgresql/), but for the statement's text and its
values: a query's name says which it is.

Comes in: what a connection is told, as part of something that is traced. Goes out: a span for each
named query, COPY and COMMIT. Only where spans are collected do connections do this at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import asyncpg

from shared import tracing
from shared.database.queries import name_of
from shared.tracing import NOTHING, Attribute, Kind, Span

_OPERATION = re.compile(r"(?:\s*--[^\n]*\n)*\s*([A-Za-z]{1,20})")
# What a connection is told about itself.
_UNTOLD = frozenset({"limit_statements", "see_store"})
_called: ContextVar[str | None] = ContextVar("statement", default=None)
PORT = 5432


class _Called:
    __slots__ = ("_before", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._before: Token[str | None] | None = None

    def __enter__(self) -> Self:
        self._before = _called.set(self._name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            _called.reset(self._before)


def called(name: str) -> _Called | Span:
    """For statements that are put together, and so have no name of their own: inside they are
    called this."""
    return _Called(name) if tracing.is_on() else NOTHING


class _Statement:
    """A span around one statement."""

    __slots__ = ("_inside", "_span")

    def __init__(self, name: str | None, operation: str, about: Mapping[str, Attribute]) -> None:
        self._span = NOTHING
        # What the driver asks on its own account meanwhile is no statement of ours.
        self._inside = _Called("")
        if name is not None and name not in _UNTOLD:
            attributes = {**about, "db.operation.name": operation, "db.query.summary": name}
            self._span = tracing.span(name, Kind.CLIENT, attributes)

    def __enter__(self) -> None:
        self._span.__enter__()
        self._inside.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inside.__exit__(kind, error, trace)
        if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
            self._span.note("db.response.status_code", error.sqlstate)
        self._span.__exit__(kind, error, trace)


def about(url: str) -> dict[str, Attribute]:
    """Of every span on connections to this database; nothing of who we are to it."""
    parts = urlsplit(url)
    return {
        "db.system.name": "postgresql",
        "db.namespace": parts.path.lstrip("/"),
        "server.address": parts.hostname or "",
        "server.port": parts.port or PORT,
    }


if TYPE_CHECKING:
    _Plain = asyncpg.Connection[asyncpg.Record]
else:
    _Plain = asyncpg.Connection


class TracedStatements(_Plain):
    """A connection that tells of its statements; `ABOUT` is set by whoever makes a class of it."""

    __slots__ = ()
    ABOUT: Mapping[str, Attribute]

    def _told(self, query: str) -> _Statement:
        found = _OPERATION.match(query)
        operation = found[1].upper() if found else ""
        name = _called.get() or name_of(query)
        return _Statement(
            name or ("COMMIT" if operation == "COMMIT" else None), operation, self.ABOUT
        )

    def _copied(self, table: str) -> _Statement:
        return _Statement(_called.get() or f"COPY {table}", "COPY", self.ABOUT)

    async def execute(self, query: str, *args: Any, **more: Any) -> Any:
        with self._told(query):
            return await super().execute(query, *args, **more)

    async def executemany(self, command: str, args: Any, **more: Any) -> Any:
        with self._told(command):
            return await super().executemany(command, args, **more)

    async def fetch(self, query: str, *args: Any, **more: Any) -> Any:
        with self._told(query):
            return await super().fetch(query, *args, **more)

    async def fetchrow(self, query: str, *args: Any, **more: Any) -> Any:
        with self._told(query):
            return await super().fetchrow(query, *args, **more)

    async def fetchval(self, query: str, *args: Any, **more: Any) -> Any:
        with self._told(query):
            return await super().fetchval(query, *args, **more)

    async def copy_from_query(self, query: str, *args: Any, **more: Any) -> Any:
        with self._copied("query"):
            return await super().copy_from_query(query, *args, **more)

    async def copy_to_table(self, table_name: str, **more: Any) -> Any:
        with self._copied(table_name):
            return await super().copy_to_table(table_name, **more)

    async def copy_records_to_table(self, table_name: str, **more: Any) -> Any:
        with self._copied(table_name):
            return await super().copy_records_to_table(table_name, **more)
