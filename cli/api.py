"""The HTTP client: one call, with time-outs, bounded retries, and errors that say what is wrong.

Comes in: method, path, and a body that is a JSON value or a stream. Goes out: the body of the
answer, or one of the errors of `outcomes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from cli.error_text import reasons
from cli.json_text import json_text, parse
from cli.outcomes import CommandError, RefusedError, TimedOutError, UnreachableError

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 120.0
STALL_SECONDS = 120.0
ATTEMPTS_MAX = 6
RETRY_AFTER_SECONDS_MAX = 30.0
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
BUSY = frozenset({429, 503})

Chunks = AsyncIterator[bytes]
# The second, where a name may come twice.
Params = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is sent while it is read. `chunks` starts it anew, for a retry."""

    content_type: str
    chunks: Callable[[], Chunks]


class Api:
    """The service at one address, as one caller sees it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self._url = url

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, token: str, store_id: int | None) -> AsyncIterator[Api]:
        """Nothing is sent yet. The token travels to this address only, never along a redirect."""
        headers = {"Authorization": f"Bearer {token}"}
        if store_id is not None:
            headers["Tallyport-Store"] = str(store_id)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS
        )
        origin = url.rstrip("/")
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            yield cls(session, origin)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        stream: Stream | None = None,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        repeatable: bool | None = None,
    ) -> bytes:
        """The answer's body. `repeatable`: sending it twice equals sending it once, so that a
        service that is busy (503, 429) is asked again, when it says, a bounded number of times."""
        again = method in SAFE_METHODS if repeatable is None else repeatable
        for attempts_left in reversed(range(ATTEMPTS_MAX if again else 1)):
            status, body, retry_after = await self._send(
                method, path, json=json, stream=stream, headers=headers, params=params
            )
            if status < 300:
                return body
            if status not in BUSY or attempts_left == 0:
                raise _refusal(status, body)
            await asyncio.sleep(retry_after)
        raise AssertionError("the last attempt returns or raises")

    async def parsed(self, method: str, path: str, **request: Any) -> Any:
        """`call`, and its JSON with numbers as exact decimals."""
        return parse(await self.call(method, path, **request))

    async def _send(
        self,
        method: str,
        path: str,
        *,
        json: Any,
        stream: Stream | None,
        headers: Mapping[str, str] | None,
        params: Params | None,
    ) -> tuple[int, bytes, float]:
        sent = dict(headers or {})
        upload: _Upload | None = None
        data: bytes | Chunks | None = None
        try:
            async with asyncio.timeout(None) as patience:
                if stream is not None:
                    upload = _Upload(stream, patience)
                    data, sent["Content-Type"] = upload.chunks(), stream.content_type
                elif json is not None:
                    data, sent["Content-Type"] = json_text(json).encode(), "application/json"
                async with self.session.request(
                    method,
                    self._url + path,
                    data=data,
                    headers=sent,
                    params=params,
                    allow_redirects=False,
                ) as response:
                    retry_after = _seconds(response.headers.get("Retry-After"))
                    return response.status, await response.read(), retry_after
        except aiohttp.ConnectionTimeoutError:
            raise UnreachableError(f"{self._url} does not answer") from None
        except TimeoutError:
            raise TimedOutError(
                f"{self._url} did not answer {method} {path} within {ANSWER_SECONDS:g} s"
            ) from None
        except aiohttp.InvalidURL:
            raise UnreachableError(f"{self._url} is not an address") from None
        except (aiohttp.ClientError, OSError) as error:
            if upload is not None and upload.problem is not None:
                raise upload.problem from None
            raise UnreachableError(
                f"cannot reach {self._url} ({_why(error)}); is it running, and is --url "
                "(TALLYPORT_URL) right?"
            ) from None


class _Upload:
    """A stream on its way. A service that stops reading is given up; a file that cannot be read
    on is told as such, and not as a broken connection."""

    def __init__(self, stream: Stream, patience: asyncio.Timeout) -> None:
        self.problem: CommandError | None = None
        self._stream = stream
        self._patience = patience

    async def chunks(self) -> Chunks:
        clock = asyncio.get_running_loop().time
        try:
            async for chunk in self._stream.chunks():
                self._patience.reschedule(clock() + STALL_SECONDS)
                yield chunk
        except CommandError as error:
            self.problem = error
            raise
        self._patience.reschedule(None)  # from here on the session's own limit counts


def _refusal(status: int, body: bytes) -> CommandError:
    kind = TimedOutError if status == 504 else RefusedError
    return kind(*reasons(status, body), status=status)


def _seconds(header: str | None) -> float:
    try:
        return min(max(float(header or 1), 0.1), RETRY_AFTER_SECONDS_MAX)
    except ValueError:  # a date; nobody sends one, and a second is polite as well
        return 1.0


def _why(error: BaseException) -> str:
    text = str(error.strerror or error) if isinstance(error, OSError) else str(error)
    return text or type(error).__name__
