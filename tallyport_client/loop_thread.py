"""A loop in a thread of its own, for callers that have none, or have one that they cannot await in.

Comes in: coroutines. Goes out: their results, in the caller's thread. `twin` and `twin_iterator`
make a blocking method of an asynchronous one, with the same arguments to the type checker.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")

STOP_SECONDS = 10.0


class LoopThread:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="tallyport-client", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Block until it is done. What interrupts the caller cancels the work."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a callback of this client cannot wait for this client")
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("this client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    @property
    def is_stopped(self) -> bool:
        return self._loop.is_closed()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)
        self._loop.close()


class Twin(Generic[A]):
    """The blocking side of an asynchronous object."""

    def __init__(self, inner: A, thread: LoopThread) -> None:
        self._inner = inner
        self._thread = thread


class Closable(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


class OwningTwin(Twin[C]):
    """One that the caller opens, and that ends its thread when it is closed."""

    def close(self) -> None:
        """Twice is once."""
        if not self._thread.is_stopped:
            self._thread.run(self._inner.close())
            self._thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


def twin(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Twin[A], P], T]:
    @functools.wraps(method)
    def blocking(self: Twin[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._thread.run(method(self._inner, *args, **kwargs))

    return blocking


def twin_iterator(
    method: Callable[Concatenate[A, P], AsyncIterator[T]],
) -> Callable[Concatenate[Twin[A], P], Iterator[T]]:
    @functools.wraps(method)
    def blocking(self: Twin[A], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return _pulled(self._thread, method(self._inner, *args, **kwargs))

    return blocking


def _pulled(thread: LoopThread, source: AsyncIterator[T]) -> Iterator[T]:
    async def following() -> tuple[T] | None:
        try:
            return (await anext(source),)
        except StopAsyncIteration:
            return None

    async def close() -> None:
        if hasattr(source, "aclose"):
            await source.aclose()

    try:
        while (one := thread.run(following())) is not None:
            yield one[0]
    finally:
        thread.run(close())
