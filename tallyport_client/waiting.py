"""Waiting for a report: events where they come through, asking again and again where they do not.

Comes in: a report, seconds. Goes out: the report at its end; what became of it on the way is told
to a callback.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import aiohttp

from tallyport_client.errors import (
    NotFoundError,
    ReportFailedError,
    ReportRemovedError,
    TimedOutError,
    UnreachableError,
)
from tallyport_client.events import Event, events_in
from tallyport_client.exact import from_json
from tallyport_client.models import Report
from tallyport_client.transport import Transport

EVENTS = "fx:events"
POLL_SECONDS_MIN = 0.2
POLL_SECONDS_MAX = 5.0
# The present state comes at once: a stream that says nothing for so long is held up on its way.
FIRST_EVENT_SECONDS = 5.0
# The service says something every 15 s.
SILENCE_SECONDS = 45.0

OnProgress = Callable[[Report], None]


async def wait(
    transport: Transport, report: Report, timeout: float, on_progress: OnProgress | None = None
) -> Report:
    """The report once it is ready. Raises `ReportFailedError`, `ReportRemovedError`, or
    `TimedOutError`: it is built all the same, then, and can be waited for again."""
    seen = _Seen(report, on_progress)
    try:
        async with asyncio.timeout(timeout) as limit:
            await _follow_or_ask(transport, seen)
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimedOutError(f"report {report.id} is not ready after {timeout:g} s") from None
    except NotFoundError:
        raise ReportRemovedError(f"report {report.id} was removed") from None
    if seen.report.status == "error":
        code, message = seen.report.failure or ("", "no reason was given")
        raise ReportFailedError(seen.report.id, code, message)
    return seen.report


class _Seen:
    """The report as it was told last."""

    def __init__(self, report: Report, on_progress: OnProgress | None) -> None:
        self.report = report
        self.event_id = ""
        self._on_progress = on_progress

    def is_over(self) -> bool:
        return self.report.status != "queued"

    def told(self, report: Report) -> None:
        self.report = report
        if self._on_progress is not None:
            self._on_progress(report)


async def _follow_or_ask(transport: Transport, seen: _Seen) -> None:
    pause = POLL_SECONDS_MIN
    is_worth_following = True
    while not seen.is_over():
        stream = seen.report.link(EVENTS)
        if is_worth_following and stream is not None:
            is_worth_following = await _follow(transport, seen, stream)
            if seen.is_over():
                return
            if is_worth_following:
                pause = POLL_SECONDS_MIN
        # Also between two streams: one that ends at once is not to be asked for in a circle.
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, POLL_SECONDS_MAX)
        if stream is None or not is_worth_following:
            path = f"/reports/{seen.report.id}"
            try:
                seen.told(Report.of((await transport.call("GET", path)).json()))
            except UnreachableError:
                continue  # the deadline is the caller's; until then it may come back


async def _follow(transport: Transport, seen: _Seen, path: str) -> bool:
    """One stream. Whether it is worth coming again: False where events do not come through."""
    has_spoken = False
    async with aclosing(_events(transport, path, seen.event_id)) as events:
        async for event in events:
            has_spoken = True
            seen.event_id = event.id
            if event.name == "removed":
                raise ReportRemovedError(f"report {seen.report.id} was removed")
            seen.told(Report.of(from_json(event.data)))
            if seen.is_over():
                break
    return has_spoken


async def _events(transport: Transport, path: str, seen_id: str) -> AsyncGenerator[Event, None]:
    """What comes over one stream, to its end, whatever ends it."""
    headers = {"Accept": "text/event-stream"}
    if seen_id:
        headers["Last-Event-ID"] = seen_id
    try:
        async with (
            asyncio.timeout(FIRST_EVENT_SECONDS) as patience,
            transport.opened(path, headers, silence_seconds=SILENCE_SECONDS) as response,
        ):
            if response.status == 200 and response.content_type == "text/event-stream":
                async for event in events_in(response):
                    patience.reschedule(None)
                    yield event
    except (TimeoutError, aiohttp.ClientError, OSError):
        return
