"""The sockets that callers come in by: how many, and how long each may keep us waiting.

Comes in: connections, of anybody. Goes out: requests for the application; and for the rest one
short answer and the end of the connection: too many (503), a head that does not come (408) or is
none (400). A caller that does not take its answer is cut off. All of it before a token is looked
at: whoever we do not know must not cost more than a socket for some seconds.

aiohttp bounds the size of a head, pipelined requests and decompression itself, refuses lengths that
contradict each other, and closes idle connections; what it lacks is here and in `framing`.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import orjson
import structlog
from aiohttp import StreamReader, web
from aiohttp.http_exceptions import ContentEncodingError
from aiohttp.web_request import BaseRequest
from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from services.gateway import framing
from services.gateway.settings import GatewaySettings

# For a refused caller to read why; and how many may do so at once.
FAREWELL_SECONDS = 1.0
FAREWELLS_MAX = 500
# What else a process has open: connections of its own, files, libraries.
OTHER_DESCRIPTORS = 200
# Of a body that nobody wants any more: read, so that its sender gets to see the answer.
LINGERING_SECONDS = 2.0

_log = structlog.get_logger(__name__)
_REFUSED = Metric(
    "tallyport_http_connections_refused_total",
    "Connections that were ended before they were a request.",
    ["reason"],
)
_OPEN = Gauge("tallyport_http_connections", "Connections of callers that are open now.")


def _answer(status: str, message: str, *headers: str) -> bytes:
    body = orjson.dumps({"error": message})
    lines = (
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode() + body


_TOO_MANY = _answer("503 Service Unavailable", "too many connections", "Retry-After: 1")
_TOO_SLOW = _answer("408 Request Timeout", "the request's head did not come in time")


@dataclass(slots=True)
class Doorkeeper:
    """Counts connections, in all and by peer."""

    connections_max: int
    per_peer_max: int
    header_seconds: float
    write_seconds: float
    peers: Counter[str] = field(default_factory=Counter)
    open: int = 0
    farewells: int = 0

    @classmethod
    def of(cls, settings: GatewaySettings) -> Doorkeeper:
        return cls(
            connections_max=settings.connections_max,
            per_peer_max=settings.connections_per_peer_max,
            header_seconds=settings.header_seconds,
            write_seconds=settings.write_seconds,
        )

    def enter(self, peer: str) -> bool:
        """Whether there is room for one more of this peer."""
        if self.open >= self.connections_max or self.peers[peer] >= self.per_peer_max:
            return False
        self.open += 1
        self.peers[peer] += 1
        _OPEN.inc()
        return True

    def leave(self, peer: str) -> None:
        self.open -= 1
        self.peers[peer] -= 1
        if not self.peers[peer]:
            del self.peers[peer]
        _OPEN.dec()


class GuardedConnection(web.RequestHandler):
    """aiohttp's connection, and the limits that it lacks."""

    __slots__ = (
        "_body",
        "_body_wire_bytes",
        "_doorkeeper",
        "_head_timer",
        "_is_refused",
        "_peer",
        "_write_timer",
    )

    def __init__(
        self, doorkeeper: Doorkeeper, server: web.Server, *, keepalive_seconds: float
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # as aiohttp itself passes it on
            keepalive_timeout=keepalive_seconds,
            lingering_time=LINGERING_SECONDS,
        )
        self._doorkeeper = doorkeeper
        self._peer: str | None = None
        self._is_refused = False
        # Of the newest request: what comes once it is complete is the head of the next one.
        self._body: StreamReader | None = None
        # What came on the line behind its head, chunk headers and all.
        self._body_wire_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tcp = cast(asyncio.Transport, transport)
        name = tcp.get_extra_info("peername")
        peer = str(name[0]) if isinstance(name, tuple) else ""
        if not self._doorkeeper.enter(peer):
            self._refuse(tcp)
            return
        self._peer = peer
        self._stop_waiting_for_the_dead(tcp)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        if self._is_refused:
            self._doorkeeper.farewells -= 1
            return
        if self._peer is not None:
            self._doorkeeper.leave(self._peer)
            self._peer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            self._say_why()
            return
        before, body = self._request_count, self._body
        is_head = body is None or body.is_eof()
        super().data_received(data)
        if not is_head and body is not None:
            self._body_wire_bytes += len(data)
            framing.judge_body(body, self._body_wire_bytes)
        if self._request_count != before:
            framing.judge_heads(self._messages, body)
            self._body = self._messages[-1][1] if self._messages else None
            self._body_wire_bytes = 0
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        # Without data the base calls itself, when it reads on after a pause.
        elif data and is_head and self._head_timer is None:
            self._wait_for_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self._loop.call_later(self._doorkeeper.write_seconds, self._cut_off)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP, or breaks its limits: told in one line, and not worth a trace."""
        if status not in (400, 501) or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        _REFUSED.labels("malformed").inc()
        if isinstance(exc, ContentEncodingError):
            status, text = 415, "the Content-Encoding is not one of gzip, deflate"
        elif status == 501:
            text = message or ""
        else:
            text = (message or "").strip().partition("\n")[0].rstrip(":")
            text = f"this is no HTTP request: {text}"
        response = web.Response(
            status=status, body=orjson.dumps({"error": text}), content_type="application/json"
        )
        response.force_close()
        return response

    def log_exception(self, *args: object, **kwargs: object) -> None:
        """A body that cannot be unpacked, read on after its answer: no error of ours."""
        if not isinstance(kwargs.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kwargs)

    def _wait_for_head(self) -> None:
        self._head_timer = self._loop.call_later(
            self._doorkeeper.header_seconds, self._head_is_late
        )

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.transport is None:
            return
        if self._request_count and self._waiter is None:
            self._wait_for_head()  # the request before it is still being answered
            return
        _REFUSED.labels("head").inc()
        self.transport.write(_TOO_SLOW)
        self.force_close()

    def _cut_off(self) -> None:
        self._write_timer = None
        if self.transport is not None:
            _REFUSED.labels("answer").inc()
            self.transport.abort()

    def _refuse(self, transport: asyncio.Transport) -> None:
        """Answered when it asks: a client takes what comes before that for a broken connection."""
        _REFUSED.labels("connections").inc()
        self._is_refused = True
        self._doorkeeper.farewells += 1
        if self._doorkeeper.farewells > FAREWELLS_MAX:
            transport.abort()
            return
        self.transport = transport
        self._head_timer = self._loop.call_later(FAREWELL_SECONDS, self._say_why)

    def _say_why(self) -> None:
        """Then the client closes. If it does not, we do: closed at once, what it has sent and we
        have not read would make the kernel throw our answer away."""
        if self.transport is not None:
            transport, self.transport = self.transport, None
            transport.write(_TOO_MANY)
            if self._head_timer is not None:
                self._head_timer.cancel()
            self._head_timer = self._loop.call_later(FAREWELL_SECONDS, transport.abort)

    def _stop_waiting_for_the_dead(self, transport: asyncio.Transport) -> None:
        """Let the kernel give up what has been written and is not taken, also once we have closed:
        it would hold the answer for up to a quarter of an hour."""
        sock = transport.get_extra_info("socket")
        if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = int(self._doorkeeper.write_seconds * 1_000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


class GuardedSite(web.TCPSite):
    """Listens like its base; its connections are guarded ones."""

    __slots__ = ("_doorkeeper", "_keepalive_seconds")

    def __init__(self, runner: web.AppRunner, settings: GatewaySettings) -> None:
        super().__init__(runner, settings.host, settings.port)
        self._doorkeeper = Doorkeeper.of(settings)
        self._keepalive_seconds = settings.keepalive_seconds
        make_room(settings.connections_max)

    async def start(self) -> None:
        await web.BaseSite.start(self)
        server = self._runner.server
        assert isinstance(server, web.Server)  # noqa: S101 - of the runner that is set up
        self._server = await asyncio.get_running_loop().create_server(
            lambda: GuardedConnection(
                self._doorkeeper, server, keepalive_seconds=self._keepalive_seconds
            ),
            self._host,
            self._port,
            backlog=self._backlog,
        )


def make_room(connections_max: int) -> None:
    """Let the process have as many descriptors as it may need. Where it may not, it says so: what
    comes beyond them is neither answered nor refused."""
    wanted = connections_max + FAREWELLS_MAX + OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
    if allowed < wanted:
        _log.warning("gateway.few_descriptors", wanted=wanted, allowed=allowed)
