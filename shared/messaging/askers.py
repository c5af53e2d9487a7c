"""Who waits for the outcome of the deliveries in hand, and ending the work for those who left.

In: deliveries as they come, and (reply queue, number) pairs of askers that hung up. Out: an `Asker`
for each delivery, inside whose `with` the work is interrupted when its asker leaves.

A cancellation and its question come by different queues, so the cancellation may come first; those
that match nothing in hand are kept for a few seconds.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType

from aiormq.abc import DeliveredMessage

# As long as a question may lie in its queue behind others: its deadline.
EARLY_SECONDS = 10.0
EARLY_MAX = 10_000

Key = tuple[str, str]


class AskerLeft(Exception):  # noqa: N818 - nothing went wrong
    """Nobody waits for the outcome any more."""


class Asker:
    """Of one delivery. `with asker:` raises AskerLeft as soon as he has left, at the latest when
    the block ends; outside of it the work in hand goes on, undisturbed. Not reentrant."""

    __slots__ = ("_before", "_interrupted", "_task", "has_left")

    def __init__(self, *, has_left: bool = False) -> None:
        self.has_left = has_left
        self._task: asyncio.Task[object] | None = None
        self._before = 0
        self._interrupted = False

    def leave(self) -> None:
        """From another task than the one that works."""
        self.has_left = True
        if self._task is not None and not self._interrupted:
            self._interrupted = True
            self._task.cancel()

    def __enter__(self) -> None:
        if self.has_left:
            raise AskerLeft
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task is not None else 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        if task is None or not self._interrupted:
            return
        # As `asyncio.timeout` does it: a cancellation that somebody else asked for as well is his.
        cancelling = task.uncancel()
        if kind is None or (kind is asyncio.CancelledError and cancelling <= self._before):
            raise AskerLeft from None


class Askers:
    """Of all deliveries that one consumer has in hand."""

    def __init__(self) -> None:
        # A question may be in hand twice, when it was delivered again after a lost connection.
        self._waiting: dict[Key, list[Asker]] = {}
        self._early: dict[Key, float] = {}

    def arrived(self, message: DeliveredMessage) -> Asker:
        """The asker of a delivery, until it is `done`."""
        key = _key_of(message)
        if key is None:
            return Asker()
        self._forget_old()
        asker = Asker(has_left=key in self._early)
        self._waiting.setdefault(key, []).append(asker)
        return asker

    def done(self, message: DeliveredMessage, asker: Asker) -> None:
        """There is nothing left to interrupt."""
        key = _key_of(message)
        if key is not None and (waiting := self._waiting.get(key)):
            waiting.remove(asker)
            if not waiting:
                del self._waiting[key]

    def left(self, reply_to: str, number: str) -> None:
        """He who waited there under this number hung up."""
        key = (reply_to, number)
        for asker in self._waiting.get(key, ()):
            asker.leave()
        # Also when it is in hand: it may be given back, and come again.
        self._forget_old()
        if len(self._early) == EARLY_MAX:
            del self._early[next(iter(self._early))]
        self._early.pop(key, None)
        self._early[key] = time.monotonic()

    def _forget_old(self) -> None:
        """In the order of their coming, the oldest first."""
        until = time.monotonic() - EARLY_SECONDS
        while self._early:
            key = next(iter(self._early))
            if self._early[key] > until:
                return
            del self._early[key]


def _key_of(message: DeliveredMessage) -> Key | None:
    properties = message.header.properties
    if not properties.reply_to or not properties.correlation_id:
        return None
    return properties.reply_to, properties.correlation_id
