"""How a process lives: loop, signals, a graceful stop with a deadline, an exit code.

Comes in: a service's `serve(settings, stop)` and how its settings are read. Goes out: 0 when it
stopped gracefully, 1 when it crashed or had to be cut off, 2 when its settings are wrong.

`stop` is set by the first SIGTERM or SIGINT. `serve` then turns readiness off, cancels consumers,
finishes what is in hand, and returns; after `drain_seconds` it is cancelled, and by a second signal
at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, NoReturn, Protocol, TypeVar

import structlog
import uvloop
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from shared import failpoints, tracing
from shared.memory import keep_freed
from shared.settings import (
    FailpointSettings,
    OperationsSettings,
    TelemetrySettings,
    TracingSettings,
)
from shared.telemetry import configure_logging
from shared.tracing.choice import MissingExtraError, tracer_of

GRACEFUL, CRASHED, MISCONFIGURED = 0, 1, 2
# What `serve` gets after a cancellation, to close connections. Then the process just ends.
CANCEL_SECONDS = 5.0
# How many new containers there are before any of them is looked at. A batch of records is some
# thousands of dicts that refer to nothing but texts: looking at them again and again was a quarter
# of the gateway's and the recorder's work.
GC_THRESHOLDS = (50_000, 20, 50)
# More than a long answer takes in all its forms.
KEPT_BYTES = 64 * 1024 * 1024

log = structlog.get_logger(__name__)


class ServiceSettings(Protocol):
    """What every service's settings are composed of, besides its own."""

    @property
    def telemetry(self) -> TelemetrySettings: ...

    @property
    def tracing(self) -> TracingSettings: ...

    @property
    def operations(self) -> OperationsSettings: ...

    @property
    def failpoints(self) -> FailpointSettings: ...


S = TypeVar("S", bound=ServiceSettings)
Serve = Callable[[S, asyncio.Event], Awaitable[None]]


def run(
    serve: Serve[S], load: Callable[[], S], *, service: str, kept_bytes: int = KEPT_BYTES
) -> int:
    """Run a service to its end: `sys.exit(run(serve, Settings, service="recorder"))`. It keeps up
    to `kept_bytes` of the memory that it frees; 0: as the C library sees fit."""
    try:
        settings = load()
    except (ValidationError, SettingsError) as error:
        sys.stderr.write(f"{service}: the settings are wrong\n{explain(error)}\n")
        return MISCONFIGURED
    configure_logging(settings.telemetry, service=service)
    try:
        tracer = tracer_of(settings.tracing, service=service)
    except MissingExtraError as error:
        sys.stderr.write(f"{service}: the settings are wrong\n  {error}\n")
        return MISCONFIGURED
    tracing.use(tracer)
    failpoints.arm(settings.failpoints.plan)
    # What is there by now stays.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    if kept_bytes:
        keep_freed(kept_bytes)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_live(serve, settings))
    finally:
        if tracer is not None:
            tracer.close()


async def _live(serve: Serve[S], settings: S) -> int:
    stop = asyncio.Event()
    serving = asyncio.ensure_future(serve(settings, stop))
    deadline: asyncio.TimerHandle | None = None
    loop = asyncio.get_running_loop()

    def cut_off(reason: str) -> None:
        log.warning("process.cut_off", reason=reason)
        serving.cancel()
        _end_by_force_after(CANCEL_SECONDS)

    def on_signal(name: str) -> None:
        nonlocal deadline
        if stop.is_set():
            cut_off(f"a second signal ({name})")
            return
        seconds = settings.operations.drain_seconds
        log.info("process.stopping", signal=name, drain_seconds=seconds)
        stop.set()
        deadline = loop.call_later(seconds, cut_off, f"not done after {seconds:g} s")

    with _signals(loop, on_signal):
        log.info("process.started", pid=os.getpid())
        await asyncio.wait({serving})
    if deadline is not None:
        deadline.cancel()
    if serving.cancelled():
        return CRASHED
    error = serving.exception()
    if error is not None:
        log.critical("process.crashed", exc_info=error)
        return CRASHED
    log.info("process.stopped")
    return GRACEFUL


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, on_signal: Callable[[str], None]) -> Iterator[None]:
    caught = (signal.SIGTERM, signal.SIGINT)
    for one in caught:
        loop.add_signal_handler(one, on_signal, one.name)
    try:
        yield
    finally:
        for one in caught:
            loop.remove_signal_handler(one)


def _end_by_force_after(seconds: float) -> None:
    """A thread, because what does not end may be holding the loop itself."""

    def end() -> NoReturn:
        os._exit(CRASHED)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


@contextlib.asynccontextmanager
async def background(**tasks: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run long-lived tasks beside the body: `async with background(relay=relay.run()): ...`.

    They are cancelled when the body is done. If one crashes, or ends by itself, the body and the
    others are cancelled and its error is raised: half a service is worse than a restarted one.
    """
    failures: list[Exception] = []

    async def watched(name: str, task: Coroutine[Any, Any, None]) -> None:
        try:
            await task
        except Exception as error:
            log.critical("task.crashed", task=name, exc_info=error)
            failures.append(error)
            raise
        log.critical("task.ended", task=name)
        failures.append(RuntimeError(f"the task {name} ended by itself"))
        raise failures[-1]

    try:
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(watched(name, task), name=name) for name, task in tasks.items()
            ]
            try:
                yield
            finally:
                for one in running:
                    one.cancel()
    except BaseExceptionGroup as several:
        # One error is easier to read than a group of it and of the cancellations it caused.
        raise (failures or several.exceptions)[0] from None
    finally:
        for task in tasks.values():
            task.close()  # one that never got to begin


def explain(error: ValidationError | SettingsError) -> str:
    """Which settings are wrong, by the names an operator sets. Never with their values."""
    if isinstance(error, SettingsError):
        return f"  {error}"
    lines = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(part) for part in one["loc"])
        lines.append(f"  {_variable(error.title, where)}: {one['msg']}")
    return "\n".join(lines)


def _variable(block: str, field: str) -> str:
    """The environment variable behind a field of a settings block."""
    for cls in _blocks(BaseSettings):
        if cls.__name__ == block and field in cls.model_fields:
            return f"{cls.model_config.get('env_prefix', '')}{field}".upper()
    return f"{block}.{field}" if field.islower() else field


def _blocks(cls: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _blocks(sub)
