"""Watching reports, for all event streams of this process at once.

Comes in: what is heard on the database's channel of reports, and which reports are watched. Goes
out: to each stream the newest picture of its report. However many streams there are, one
connection listens for them, one statement reads what has changed, and another now and then all of
it: for what was not heard, and for the places in the queue, which move without a word.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import Gauge

from shared.database import reports
from shared.database.pool import EVERY_STORE, PASSING_ERRORS, Database
from shared.database.reports import Report
from shared.errors import OverloadedError, UnavailableError
from shared.listening import Listener, within

POLL_SECONDS = 5.0
POLL_SECONDS_DEAF = 1.0
# What changes in a row is read together.
PAUSE_SECONDS = 0.1
READ_MAX = 500
RETRY_AFTER_SECONDS = 5.0

STREAMS = Gauge("tallyport_report_streams", "Event streams of reports that are open.")

log = structlog.get_logger(__name__)


class TooManyStreamsError(Exception):
    """The token has as many streams open as one may have."""


class Stream:
    """What one stream knows of its report: `report` is None once it is removed."""

    def __init__(self, store_id: int, report_id: int) -> None:
        self.key = (store_id, report_id)
        self.report: Report | None = None
        self.is_ending = False
        self._is_told = False
        self._news = asyncio.Event()

    def begin(self, report: Report) -> None:
        """From what its caller has read, unless something newer has come in between."""
        if not self._is_told:
            self.report = report

    def tell(self, report: Report | None) -> None:
        self.report = report
        self._is_told = True
        self._news.set()

    def wake(self) -> None:
        """There may be something to look at besides the report."""
        self._news.set()

    def end(self) -> None:
        """The process stops: its caller has to come again, and will find another."""
        self.is_ending = True
        self._news.set()

    async def changed(self, seconds: float) -> bool:
        """Whether there was news in this time."""
        came = await within(seconds, self._news)
        self._news.clear()
        return came


class ReportWatch:
    """One for each process; `run()` it in the background, and the listener."""

    def __init__(
        self,
        database: Database,
        listener: Listener,
        *,
        streams_max: int,
        streams_per_token_max: int,
    ) -> None:
        self._database = database
        self._streams_max = streams_max
        self._streams_per_token_max = streams_per_token_max
        self._listener = listener
        listener.hear(reports.CHANNEL, self._heard)
        # By what is said on the channel when the report changes.
        self._streams: dict[str, set[Stream]] = {}
        self._of_token: Counter[int] = Counter()
        self._stale: set[str] = set()
        self._woken = asyncio.Event()
        self._is_ending = False

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._look()

    @property
    def is_listening(self) -> bool:
        """Whether a change is heard of at once."""
        return self._listener.is_listening

    def wake(self) -> None:
        """Let all streams look whether their token still lets in."""
        for stream in self._all():
            stream.wake()

    def end(self) -> None:
        """End all streams, and let no other begin."""
        self._is_ending = True
        for stream in self._all():
            stream.end()

    @contextmanager
    def stream(self, store_id: int, report_id: int, *, token_id: int) -> Iterator[Stream]:
        """Watch the report. Raises `TooManyStreamsError` for the token, `OverloadedError` for the
        process, `UnavailableError` while that stops."""
        if self._is_ending:
            raise UnavailableError("shutting down", retry_after_seconds=1)
        if self._of_token.total() >= self._streams_max:
            raise OverloadedError(
                "too many event streams are open", retry_after_seconds=RETRY_AFTER_SECONDS
            )
        if self._of_token[token_id] >= self._streams_per_token_max:
            raise TooManyStreamsError
        stream = Stream(store_id, report_id)
        said = f"{store_id}/{report_id}"
        self._of_token[token_id] += 1
        self._streams.setdefault(said, set()).add(stream)
        try:
            with STREAMS.track_inprogress():
                yield stream
        finally:
            self._streams[said].discard(stream)
            if not self._streams[said]:
                del self._streams[said]
            self._of_token[token_id] -= 1
            if not self._of_token[token_id]:
                del self._of_token[token_id]

    def _all(self) -> list[Stream]:
        return [stream for streams in self._streams.values() for stream in streams]

    def _heard(self, said: str | None) -> None:
        if said is None:
            self._stale.update(self._streams)
        elif said in self._streams:
            self._stale.add(said)
        if self._stale:
            self._woken.set()

    async def _look(self) -> None:
        clock = asyncio.get_running_loop().time
        looked_at = clock()
        while True:
            every = POLL_SECONDS if self.is_listening else POLL_SECONDS_DEAF
            await within(looked_at + every - clock(), self._woken)
            self._woken.clear()
            if clock() >= looked_at + every:
                looked_at = clock()
                self._stale.update(self._streams)
            try:
                await self._read()
            except PASSING_ERRORS as error:
                # What was stale still is, until it is looked at again.
                log.info("streams.waiting", reason=str(error))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self) -> None:
        # Taken before it is read: what changes meanwhile is heard, stale again, and read next time.
        stale, self._stale = [*(self._stale & self._streams.keys())], set()
        for start in range(0, len(stale), READ_MAX):
            part = stale[start : start + READ_MAX]
            streams = [stream for said in part for stream in self._streams.get(said, ())]
            try:
                async with self._database.acquire(store_id=EVERY_STORE) as connection:
                    found = await reports.find_reports(
                        connection, {stream.key for stream in streams}
                    )
            except PASSING_ERRORS:
                self._stale.update(stale[start:])
                raise
            for stream in streams:
                stream.tell(found.get(stream.key))
