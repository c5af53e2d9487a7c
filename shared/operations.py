"""What whoever runs us asks: does it live, can it work, how is it doing.

Comes in: named checks. Goes out: `/healthz` (the loop turns), `/readyz` (every check passes and we
are not shutting down; otherwise 503 and the problems by name) and `/metrics` (Prometheus). A worker
serves them with `operations_server`; the gateway mounts `operations_routes` in its own application.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from shared.settings import OperationsSettings
from shared.telemetry import redact

CHECK_SECONDS = 2.0
# Whoever asks more often hears the same: to be asked is no work that strangers could heap on us.
KEPT_SECONDS = 1.0
KEEPALIVE_SECONDS = 15.0
SHUTDOWN_SECONDS = 1.0
PROBLEM_CHARS_MAX = 500
DRAINING = "shutting down"
READY = Gauge("tallyport_ready", "1 while the process could do its work when it was last asked.")
TASKS = Gauge("tallyport_tasks", "Tasks of this process's loop when it was asked.")

Check = Callable[[], Awaitable[str | None]]

log = structlog.get_logger(__name__)


class Readiness:
    """Named checks, each None or a problem in words, and whether we are draining."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        check_seconds: float = CHECK_SECONDS,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._checks = checks
        self._check_seconds = check_seconds
        self._kept_seconds = kept_seconds
        self._asked: dict[str, asyncio.Task[str | None]] = {}
        self._found: asyncio.Task[dict[str, str]] | None = None
        self._fresh_until = 0.0
        self._draining = False
        self.port = 0

    def start_draining(self) -> None:
        """From now on not ready: no new work is wanted."""
        READY.set(0)
        self._draining = True

    async def problems(self) -> dict[str, str]:
        """What keeps us from working, by the name of the check; empty when nothing does. What was
        found holds for `kept_seconds`, and all who ask meanwhile share one finding."""
        if not self._draining:
            # Whoever asked first may hang up: the others still want to know.
            problems = await asyncio.shield(self.look())
        return {"process": DRAINING} if self._draining else problems

    def look(self) -> asyncio.Task[dict[str, str]]:
        """The finding that holds, or a new one."""
        found = self._found
        if found is None or (found.done() and time.monotonic() >= self._fresh_until):
            found = self._found = asyncio.create_task(self._find(), name="readiness")
        return found

    async def _find(self) -> dict[str, str]:
        names = [*self._checks]
        results = await asyncio.gather(*map(self._ask, names))
        self._fresh_until = time.monotonic() + self._kept_seconds
        found = {name: text for name, text in zip(names, results, strict=True) if text}
        READY.set(not found and not self._draining)
        return found

    async def _ask(self, name: str) -> str | None:
        """What the check says in its time. One that takes longer to give up (a driver that waits on
        a silent server) is not waited for, nor begun again before it has."""
        asked = self._asked.get(name)
        if asked is None or asked.done():
            asked = self._asked[name] = asyncio.create_task(self._check(name), name=f"check {name}")
        await asyncio.wait([asked], timeout=self._check_seconds)
        if not asked.done() or asked.cancelled():
            asked.cancel()
            return f"no answer within {self._check_seconds:g} s"
        return asked.result()

    async def _check(self, name: str) -> str | None:
        try:
            problem = await self._checks[name]()
        except Exception as error:  # noqa: BLE001 - a check that breaks is a problem, not a crash
            problem = f"{type(error).__name__}: {error}"
        return redact(problem)[:PROBLEM_CHARS_MAX] if problem else None


def operations_routes(readiness: Readiness) -> list[web.RouteDef]:
    """The three pages, to be added to any application."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_request: web.Request) -> web.Response:
        problems = await readiness.problems()
        if problems:
            return web.json_response({"ready": False, "problems": problems}, status=503)
        return web.json_response({"ready": True})

    async def metrics(_request: web.Request) -> web.Response:
        # For the next time: this page does not wait for what may not answer.
        readiness.look()
        TASKS.set(len(asyncio.all_tasks()))
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [
        web.get("/healthz", healthz),
        web.get("/readyz", readyz),
        web.get("/metrics", metrics),
    ]


@asynccontextmanager
async def operations_server(
    settings: OperationsSettings, checks: Mapping[str, Check]
) -> AsyncIterator[Readiness]:
    """Serve the three pages until the body is done. `port` of what it gives is the one taken."""
    readiness = Readiness(checks)
    app = web.Application(client_max_size=0)
    app.add_routes(operations_routes(readiness))
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        readiness.port = runner.addresses[0][1]
        log.info("operations.listening", host=settings.host, port=readiness.port)
        yield readiness
    finally:
        await runner.cleanup()
