"""One call over HTTP: time-outs, bounded retries, and errors that say what is wrong.

Comes in: method, path, and a body that is bytes or a stream. Goes out: a `Reply` with a status
below 400, or one of the errors of `errors`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from tallyport_client import exact
from tallyport_client.errors import RefusedError, TimedOutError, UnreachableError
from tallyport_client.refusals import refusal
from tallyport_client.retrying import Deadline, pause_seconds

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
BUSY = frozenset({429, 503})

Chunks = AsyncIterator[bytes]
# The second, where a name may come twice.
Params = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, and how often. `deadline_seconds` is for a call with all its retries; a body that
    is streamed may take longer, as long as it moves. `answer_seconds` is how long silence may last.
    """

    connect_seconds: float = 10.0
    answer_seconds: float = 120.0
    deadline_seconds: float = 300.0
    attempts_max: int = 6


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is sent while it is read. `chunks` starts it anew, for a retry."""

    content_type: str
    chunks: Callable[[], Chunks]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: URL
    headers: Mapping[str, str]
    params: Params | None = None
    content: bytes | None = None
    stream: Stream | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    attempts: int = 1

    def json(self) -> Any:
        """Numbers are exact: `int` and `Decimal`."""
        return exact.from_json(self.body)


def check_address(url: str) -> None:
    """Raises ValueError for what is no address of a service."""
    try:
        address = URL(url)
    except ValueError:
        address = URL()
    if address.scheme not in ("http", "https") or not address.host:
        raise ValueError(f"not an address of a service: {url} (http://... or https://...)")


class Transport:
    """The service at one address. The token travels there only, never along a redirect."""

    def __init__(self, session: aiohttp.ClientSession, url: str, limits: Limits) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self.limits = limits

    async def call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        stream: Stream | None = None,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        repeatable: bool | None = None,
    ) -> Reply:
        """`repeatable`: sending it twice equals sending it once. Otherwise it is sent again only
        when the connection was not even made."""
        again = method in SAFE_METHODS if repeatable is None else repeatable
        deadline = Deadline.after(self.limits.deadline_seconds)
        sent = dict(headers or {})
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        attempt, connections = 0, list[object]()
        while True:
            attempt += 1
            failure: UnreachableError | RefusedError
            try:
                request = Request(method, self.url_of(path), sent, params, content, stream)
                reply = await self._send(request, deadline, connections)
            except UnreachableError as error:
                failure, retry_after = error, None
                is_tried_again = again or not error.may_be_done
            else:
                if reply.status < 300 or reply.status == 304:
                    return reply
                failure = refusal(reply.status, reply.headers, reply.body, attempts=reply.attempts)
                retry_after = failure.retry_after
                # 409 with Retry-After: the first request with this key still runs.
                is_running = failure.status == 409 and retry_after is not None
                is_tried_again = again and (failure.status in BUSY or is_running)
            if not is_tried_again or attempt >= self.limits.attempts_max:
                raise failure
            if not await deadline.sleeps(pause_seconds(attempt, retry_after)):
                raise failure

    def url_of(self, path: str) -> URL:
        """Of a path, quoted as it is to be sent; or of a link that the service gave, on the address
        that we know it by: others may know it by another, and our token goes to this one only."""
        if path.startswith(self._url):
            path = path[len(self._url) :]
        elif "://" in path:
            path = URL(path, encoded=True).raw_path_qs
        return URL(self._url + path, encoded=True)

    @asynccontextmanager
    async def opened(
        self, path: str, headers: Mapping[str, str], *, silence_seconds: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A GET whose answer is read while it comes; once, with whatever status."""
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self.limits.connect_seconds, sock_read=silence_seconds
        )
        async with self._session.get(
            self.url_of(path), headers=headers, allow_redirects=False, timeout=timeout
        ) as response:
            yield response

    async def _send(self, request: Request, deadline: Deadline, connections: list[object]) -> Reply:
        upload: _Upload | None = None
        data: bytes | Chunks | None = request.content
        headers = dict(request.headers)
        try:
            # A stream has a limit of its own: as long as it moves it may go on.
            async with asyncio.timeout(None if request.stream else deadline.left()) as patience:
                if request.stream is not None:
                    upload = _Upload(request.stream, patience, self.limits.answer_seconds)
                    data, headers["Content-Type"] = upload.chunks(), request.stream.content_type
                async with self._session.request(
                    request.method,
                    request.url,
                    data=data,
                    headers=headers,
                    params=request.params,
                    allow_redirects=False,
                    trace_request_ctx=connections,
                ) as response:
                    body = await response.read()
                    return Reply(response.status, response.headers, body, len(connections))
        except aiohttp.ConnectionTimeoutError:
            raise UnreachableError(f"{self._url} does not answer") from None
        except TimeoutError:
            raise TimedOutError(
                f"{self._url} did not answer {request.method} {request.url.path} in time"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            if upload is not None and upload.problem is not None:
                raise upload.problem from None
            made = not isinstance(error, aiohttp.ClientConnectorError)
            raise UnreachableError(
                f"cannot reach {self._url} ({_why(error)})", may_be_done=made
            ) from None


def counting_connections() -> aiohttp.TraceConfig:
    """aiohttp sends some requests a second time by itself. Whoever counts attempts sees these too:
    each takes a connection, and is noted in the list that the request has as its context."""

    async def note(_session: object, context: SimpleNamespace, _params: object) -> None:
        if isinstance(context.trace_request_ctx, list):
            context.trace_request_ctx.append(None)

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(note)
    trace.on_connection_reuseconn.append(note)
    return trace


class _Upload:
    """A stream on its way. A service that stops reading is given up; what goes wrong with the
    source is told as such, and not as a broken connection."""

    def __init__(self, stream: Stream, patience: asyncio.Timeout, stall_seconds: float) -> None:
        self.problem: Exception | None = None
        self._stream = stream
        self._patience = patience
        self._stall_seconds = stall_seconds

    async def chunks(self) -> Chunks:
        clock = asyncio.get_running_loop().time
        try:
            async for chunk in self._stream.chunks():
                self._patience.reschedule(clock() + self._stall_seconds)
                yield chunk
        except Exception as error:
            self.problem = error
            raise
        self._patience.reschedule(None)  # from here on the session's own limit counts


def _why(error: BaseException) -> str:
    text = str(error.strerror or error) if isinstance(error, OSError) else str(error)
    return text or type(error).__name__
