"""What whoever runs us asks: does it live, can it work, how is it doing.

Comes in: named checks. Goes out: `/healthz` (the loop turns), `/readyz` (every check passes and we
are not shutting down; otherwise 503 and the problems by name) and `/metrics` (Prometheus). A worker
serves them with `operations_server`; the gateway mounts `operations_routes` in its own application.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from shared.settings import OperationsSettings
from shared.telemetry import redact

CHECK_SECONDS = 2.0
KEEPALIVE_SECONDS = 15.0
SHUTDOWN_SECONDS = 1.0
PROBLEM_CHARS_MAX = 500
DRAINING = "shutting down"
TASKS = Gauge("tallyport_tasks", "Tasks of this process's loop when it was asked.")

Check = Callable[[], Awaitable[str | None]]

log = structlog.get_logger(__name__)


class Readiness:
    """Named checks, each None or a problem in words, and whether we are draining."""

    def __init__(
        self, checks: Mapping[str, Check], *, check_seconds: float = CHECK_SECONDS
    ) -> None:
        self._checks = checks
        self._check_seconds = check_seconds
        self._draining = False
        self.port = 0

    def start_draining(self) -> None:
        """From now on not ready: no new work is wanted."""
        self._draining = True

    async def problems(self) -> dict[str, str]:
        """What keeps us from working, by the name of the check; empty when nothing does."""
        if self._draining:
            return {"process": DRAINING}
        names = [*self._checks]
        results = await asyncio.gather(*(self._ask(self._checks[name]) for name in names))
        return {name: text for name, text in zip(names, results, strict=True) if text}

    async def _ask(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(self._check_seconds):
                problem = await check()
        except TimeoutError:
            return f"no answer within {self._check_seconds:g} s"
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
