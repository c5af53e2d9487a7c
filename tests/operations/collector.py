"""A collector of a test's own: takes what services send by OTLP over HTTP, and can be looked at."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from tests.waiting import until

SECONDS = 30.0


@dataclass(frozen=True)
class Told:
    """A span, as it came."""

    service: str
    name: str
    kind: str
    trace: str
    span: str
    parent: str
    attributes: dict[str, object]
    is_error: bool
    links: tuple[str, ...]


@dataclass
class Collector:
    """`raw` is every byte that came, for what must not be in it."""

    port: int = 0
    spans: list[Told] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def of(self, trace: str) -> list[Told]:
        return [span for span in self.spans if span.trace == trace]

    async def has(self, trace: str, *names: str) -> dict[str, Told]:
        """Wait until the trace has spans of these names; the first of each name."""

        async def probe() -> dict[str, Told] | None:
            found: dict[str, Told] = {}
            for span in self.of(trace):
                found.setdefault(span.name, span)
            return found if set(names) <= set(found) else None

        try:
            return await until(probe, seconds=SECONDS, what=f"the spans {names}")
        except AssertionError as error:
            seen = sorted({f"{span.service}: {span.name}" for span in self.of(trace)})
            raise AssertionError(f"{error}; there are {seen}") from None

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [_told(about["service.name"], span) for span in scope.spans]
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(),
            content_type="application/x-protobuf",
        )


def _told(service: str, span: ProtoSpan) -> Told:
    attributes = {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
        for one in span.attributes
    }
    return Told(
        service,
        span.name,
        ProtoSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        attributes,
        span.status.code == 2,
        tuple(link.trace_id.hex() for link in span.links),
    )


@contextlib.asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        collector.port = runner.addresses[0][1]
        yield collector
    finally:
        await runner.cleanup()
