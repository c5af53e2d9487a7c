"""Whose token it is, remembered for a moment: most requests bear one that was just seen.

Comes in: a token's text. Goes out: its `Principal`, or None. Only tokens that let in are
remembered, for `seconds` at most and never past their expiry, and only while this process hears of
revocations (LISTEN): one empties the memory at once, and so does a line that is lost.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
import structlog

from shared.database import accounts
from shared.database.accounts import Principal
from shared.database.pool import CONNECTION_ERRORS, Connection, Database
from shared.errors import UnavailableError

TOKENS_MAX = 10_000
LISTEN_CHECK_SECONDS = 15.0
LISTEN_AGAIN_SECONDS = 1.0
HOLD_SECONDS = 5.0

_PASSING_ERRORS: tuple[type[BaseException], ...] = (UnavailableError, *CONNECTION_ERRORS)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal
    until: float


class Tokens:
    """One for the process; `run()` until cancelled."""

    def __init__(self, database: Database, *, seconds: float) -> None:
        self._database = database
        self._seconds = seconds
        self._remembered: dict[bytes, _Remembered] = {}
        self._is_listening = False
        self._revocations = 0

    async def principal(self, text: str) -> Principal | None:
        """None: unknown, expired and revoked look alike."""
        digest = accounts.digest_of(text)
        now = time.monotonic()
        found = self._remembered.get(digest)
        if found is not None and now < found.until:
            return found.principal
        return await self._look_up(digest, now)

    async def _look_up(self, digest: bytes, now: float) -> Principal | None:
        revocations = self._revocations
        async with self._database.acquire() as connection:
            bearer = await accounts.find_bearer(connection, digest)
        if bearer is None:
            self._remembered.pop(digest, None)
            return None
        # One that was revoked while we asked is not remembered.
        if self._is_listening and self._revocations == revocations:
            if len(self._remembered) >= TOKENS_MAX:
                self._remembered.clear()
            # By the clock of the database, counted from before it was asked: never too long.
            seconds = min(self._seconds, bearer.seconds_left)
            self._remembered[digest] = _Remembered(bearer.principal, now + seconds)
        return bearer.principal

    def _forget(self) -> None:
        self._revocations += 1
        self._remembered.clear()

    async def run(self) -> None:
        """Hear of revocations; listen again whenever the connection is lost."""
        while self._seconds:
            try:
                async with self._database.acquire() as connection:
                    await self._listen(connection)
            except _PASSING_ERRORS as error:
                _end_if_cancelled()
                _log.info("tokens.deaf", reason=str(error))
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)
        await asyncio.Event().wait()

    async def _listen(self, connection: Connection) -> None:
        lost = asyncio.Event()

        def heard(*_: object) -> None:
            self._forget()

        def gone(*_: object) -> None:
            self._is_listening = False
            self._forget()
            lost.set()

        connection.add_termination_listener(gone)
        await connection.add_listener(accounts.REVOKED_CHANNEL, heard)
        try:
            self._is_listening = True
            while not lost.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LISTEN_CHECK_SECONDS):
                        await lost.wait()
                        return
                # A line that is cut without a word looks like one where nothing is said.
                await connection.execute("SELECT 1", timeout=HOLD_SECONDS)
        finally:
            self._is_listening = False
            self._forget()
            # A connection that was lost is the pool's already, and refuses every call.
            with suppress(asyncpg.InterfaceError):
                connection.remove_termination_listener(gone)
                await connection.remove_listener(accounts.REVOKED_CHANNEL, heard)


def _end_if_cancelled() -> None:
    """A statement that fails on a lost connection hides the cancellation that caused it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
