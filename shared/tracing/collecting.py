"""Spans for whoever collects them: OpenTelemetry's SDK, sent by OTLP over HTTP from a thread.

Comes in: spans that have ended; `OTEL_*` variables, which the SDK reads itself. Goes out: batches
to the collector. Nobody waits for one: what cannot be sent, or is too much to be kept, is dropped,
and the log says once that it is, and once that it is no longer.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import Self

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
)

from shared import tracing
from shared.errors import TallyportError
from shared.tracing import Attribute, Kind, Span

FLUSH_SECONDS = 3.0

_KINDS = {kind: SpanKind[kind.name] for kind in Kind}
log = structlog.get_logger(__name__)


class Collected:
    """One span. See `shared.tracing.Span`."""

    __slots__ = ("_before", "span", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self.span = span
        self.traceparent: str | None = _text_of(span.get_span_context())
        self._before: Token[Span | None] | None = None

    def call(self, name: str) -> None:
        self.span.update_name(name)

    def note(self, name: str, value: Attribute) -> None:
        self.span.set_attribute(name, value)

    def fail(self, error_type: str) -> None:
        # Without a description: an error's text may have in it what somebody sent.
        self.span.set_status(StatusCode.ERROR)
        self.span.set_attribute("error.type", error_type)

    def __enter__(self) -> Self:
        self._before = tracing.current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            tracing.current.reset(self._before)
        if error is not None:
            self.fail(
                error.code.value if isinstance(error, TallyportError) else type(error).__name__
            )
        self.span.end()


class Collecting:
    """A tracer. `close` sends what is left, as far as that is possible in `FLUSH_SECONDS`."""

    def __init__(self, service: str) -> None:
        # Its own lines come once a batch, and tell addresses; ours are in `_Telling`.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_Telling(OTLPSpanExporter())))
        self._tracer = self._provider.get_tracer("tallyport")

    def start(
        self,
        name: str,
        kind: Kind,
        *,
        parent: Span | str | None,
        attributes: Mapping[str, Attribute] | None,
        links: Sequence[str],
    ) -> Span:
        context = Context()
        if isinstance(parent, Collected):
            context = trace.set_span_in_context(parent.span, context)
        elif parent is not None:
            text = parent if isinstance(parent, str) else parent.traceparent
            if text is not None:
                context = trace.set_span_in_context(NonRecordingSpan(_context_of(text)), context)
        linked = [Link(_context_of(one)) for one in links]
        span = self._tracer.start_span(
            name,
            context=context,
            kind=_KINDS[kind],
            attributes=attributes,
            links=linked,
            record_exception=False,
            set_status_on_exception=False,
        )
        return Collected(span)

    def close(self) -> None:
        # In a thread: the library waits for as long as it likes.
        ending = threading.Thread(target=self._provider.shutdown, name="spans", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)


class _Telling(SpanExporter):
    """Sends by another, and tells when that begins to fail and when it works again."""

    def __init__(self, sender: SpanExporter) -> None:
        self._sender = sender
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._sender.export(spans)
        except Exception as error:  # noqa: BLE001 - nothing that happens here may matter elsewhere
            self._failed(type(error).__name__)
            return SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self._failed("the collector does not take them")
        elif self._is_failing:
            self._is_failing = False
            log.info("traces.sent_again")
        return result

    def _failed(self, reason: str) -> None:
        if not self._is_failing:
            self._is_failing = True
            log.warning("traces.dropped", reason=reason)

    def shutdown(self) -> None:
        self._sender.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._sender.force_flush(timeout_millis)


def _resource(service: str) -> Resource:
    """Who we are; what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say is said already."""
    given = Resource.create()
    ours = {
        "service.name": service,
        "service.namespace": "tallyport",
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
    }
    nobody = ("", "unknown_service")
    missing = {
        name: value
        for name, value in ours.items()
        if str(given.attributes.get(name, "")).partition(":")[0] in nobody
    }
    return given.merge(Resource(missing))


def _text_of(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _context_of(text: str) -> SpanContext:
    _, trace_id, span_id, flags = text.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
