"""Whose token it is, remembered for a moment: most requests bear one that was just seen.

Comes in: a token's text. Goes out: its `Principal`, or None. Only tokens that let in are
remembered, for `seconds` at most and never past their expiry, and only while this process hears of
revocations (`Listener`): one empties the memory at once, and a lost line shuts it. That a token has
been let in is known for longer, and lets nobody in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.database import accounts
from shared.database.accounts import Principal
from shared.database.pool import Database
from shared.listening import Listener

TOKENS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal
    until: float


class Tokens:
    """One for the process, on its listener. `forgotten` is called when what was remembered is
    not any more: whoever was let in for longer than a request has to be looked at again."""

    def __init__(
        self,
        database: Database,
        listener: Listener,
        *,
        seconds: float,
        forgotten: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._seconds = seconds
        self._remembered: dict[bytes, _Remembered] = {}
        self._known: dict[bytes, None] = {}
        self._forgotten = forgotten
        self._listener = listener
        listener.hear(accounts.REVOKED_CHANNEL, self._forget)
        self._revocations = 0

    async def principal(self, text: str) -> Principal | None:
        """None: unknown, expired and revoked look alike."""
        digest = accounts.digest_of(text)
        now = time.monotonic()
        return self._recall(digest, now) or await self._look_up(digest, now)

    def remembered(self, text: str) -> Principal | None:
        """The same without asking anybody: None means that it has to be looked up."""
        return self._recall(accounts.digest_of(text), time.monotonic())

    def knows(self, text: str) -> bool:
        """Whether it was let in when it was last looked up, however long ago."""
        return accounts.digest_of(text) in self._known

    def _recall(self, digest: bytes, now: float) -> Principal | None:
        found = self._remembered.get(digest)
        if found is None or now >= found.until or not self._listener.is_listening:
            return None
        return found.principal

    async def _look_up(self, digest: bytes, now: float) -> Principal | None:
        revocations = self._revocations
        async with self._database.acquire() as connection:
            bearer = await accounts.find_bearer(connection, digest)
        if bearer is None:
            self._remembered.pop(digest, None)
            self._known.pop(digest, None)
            return None
        self._know(digest)
        # One that was revoked while we asked is not remembered.
        if self._listener.is_listening and self._revocations == revocations:
            if len(self._remembered) >= TOKENS_MAX:
                self._remembered.clear()
            # By the clock of the database, counted from before it was asked: never too long.
            seconds = min(self._seconds, bearer.seconds_left)
            self._remembered[digest] = _Remembered(bearer.principal, now + seconds)
        return bearer.principal

    def _know(self, digest: bytes) -> None:
        self._known[digest] = None
        if len(self._known) > TOKENS_MAX:
            del self._known[next(iter(self._known))]

    def _forget(self, _said: str | None) -> None:
        self._revocations += 1
        self._remembered.clear()
        if self._forgotten is not None:
            self._forgotten()
