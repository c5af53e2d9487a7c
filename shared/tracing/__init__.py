"""Traces: what belongs to one request, over all processes that it passes through.

Comes in: contexts (`traceparent`) that came with a request or a message, and names of what is
done. Goes out: the context to send on; and spans, where somebody collects them (docs/operation.md).

Which of two it is, is chosen once, at the start. Mostly nobody collects: then a context that came
is handed on as it is, a span costs the question whether there is a tracer, and OpenTelemetry need
not be installed. As with failpoints, this belongs to no part of a process and is not passed on.

What a span says is named by OpenTelemetry's semantic conventions. It never has a value that
somebody sent: no argument, path, address of a caller, text of an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Context, ContextVar, Token, copy_context
from enum import Enum
from types import TracebackType
from typing import Protocol, Self

from shared.tracing.trace_context import HEADER, trace_of, valid_traceparent

__all__ = [
    "HEADER",
    "NOTHING",
    "Attribute",
    "Kind",
    "Span",
    "Tracer",
    "apart",
    "begin",
    "is_on",
    "joining",
    "log_ids",
    "span",
    "trace_of",
    "traceparent",
    "use",
    "valid_traceparent",
    "within",
]

Attribute = str | int | float | bool


class Kind(Enum):
    """As OpenTelemetry has them."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Span(Protocol):
    """For `with`: it is the current one inside. What is raised marks it as failed, by the error's
    class and nothing else."""

    @property
    def traceparent(self) -> str | None:
        """The context to send on."""

    def call(self, name: str) -> None:
        """Name it, once that is known."""

    def note(self, name: str, value: Attribute) -> None:
        """Add an attribute."""

    def fail(self, error_type: str) -> None:
        """Say that it failed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Tracer(Protocol):
    """What makes spans of what is told; there is one in the process, or none."""

    def start(
        self,
        name: str,
        kind: Kind,
        *,
        parent: Span | str | None,
        attributes: Mapping[str, Attribute] | None,
        links: Sequence[str],
    ) -> Span:
        """A span of its own trace when there is no parent."""

    def close(self) -> None:
        """Send what is left, in bounded time."""


class _Handed:
    """No span: a context that came, and goes on as it is. None: nothing at all."""

    __slots__ = ("_before", "traceparent")

    def __init__(self, context: str | None) -> None:
        self.traceparent = context
        self._before: Token[Span | None] | None = None

    def call(self, name: str) -> None: ...

    def note(self, name: str, value: Attribute) -> None: ...

    def fail(self, error_type: str) -> None: ...

    def __enter__(self) -> Self:
        if self.traceparent is not None:
            self._before = current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            current.reset(self._before)


current: ContextVar[Span | None] = ContextVar("span", default=None)
NOTHING: Span = _Handed(None)
_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """Tell this tracer from now on, in the whole process; None: nobody collects."""
    global _tracer  # noqa: PLW0603 - see above
    _tracer = tracer


def is_on() -> bool:
    """Whether spans are collected: ask before preparing what only a span needs."""
    return _tracer is not None


def traceparent() -> str | None:
    """The context to send on with what is sent now."""
    inside = current.get()
    return None if inside is None else inside.traceparent


def apart() -> Context:
    """For a task that outlives what it was started by: all that is known here, but the span."""
    context = copy_context()
    context.run(current.set, None)
    return context


def log_ids() -> tuple[str, str] | None:
    """(trace id, span id) of what is being done."""
    context = traceparent()
    return None if context is None else (trace_of(context), context[36:52])


def begin(
    name: str,
    kind: Kind,
    came: str | None,
    attributes: Mapping[str, Attribute] | None = None,
) -> Span:
    """What begins here, whatever is current: with the context that came with it, if it is valid."""
    if _tracer is None:
        return NOTHING if (context := valid_traceparent(came)) is None else _Handed(context)
    return _tracer.start(
        name, kind, parent=valid_traceparent(came), attributes=attributes, links=()
    )


def span(
    name: str,
    kind: Kind = Kind.INTERNAL,
    attributes: Mapping[str, Attribute] | None = None,
) -> Span:
    """A part of what is being done; nothing, where nothing that is traced is."""
    if _tracer is None or (inside := current.get()) is None:
        return NOTHING
    return _tracer.start(name, kind, parent=inside, attributes=attributes, links=())


def within(
    name: str,
    kind: Kind,
    kept: str | None,
    attributes: Mapping[str, Attribute] | None = None,
    links: Sequence[str] = (),
) -> Span:
    """A part of what was kept with some work, however long ago; nothing, where nothing was."""
    if (context := valid_traceparent(kept)) is None:
        return NOTHING
    if _tracer is None:
        return _Handed(context)
    return _tracer.start(name, kind, parent=context, attributes=attributes, links=links)


def joining(name: str, kept: str | None, attributes: Mapping[str, Attribute] | None = None) -> Span:
    """A part of what was kept with some work that a message of the same trace, or of another, has
    brought: below the message's span in the first case, linked to it in the second."""
    inside = current.get()
    context = valid_traceparent(kept)
    came = None if inside is None else inside.traceparent
    if context is None or (came is not None and trace_of(came) == trace_of(context)):
        return span(name, Kind.INTERNAL, attributes)
    links = () if came is None else (came,)
    return within(name, Kind.INTERNAL, context, attributes, links)
