"""The services' processes: started, killed, frozen, stopped.

In: which service, and its environment. Out: a process that the test holds by its id, with its pages
and its log. Nothing here outlives the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from devstack import ports
from tests.engines import ROOT
from tests.waiting import until

START_SECONDS = 60.0
STOP_SECONDS = 40.0
LOGS = ROOT / ".run" / "chaos" / "logs"


class Service:
    """One process of a service. After its end it can be started again, on the same port."""

    def __init__(
        self, name: str, label: str, environment: Mapping[str, str], *sabotages: str
    ) -> None:
        self.name = name
        self.label = label
        self.environment = environment
        self.sabotages = sabotages
        (self.port,) = ports.reserve(ROOT / ".run" / "tests", 1)
        self.starts = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return LOGS / f"{self.label}.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, **more: str) -> None:
        """Start it, with more environment if need be; does not wait until it is ready."""
        assert not self.is_alive
        here = "GATEWAY" if self.name == "gateway" else "OPERATIONS"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab" if self.starts else "wb") as target:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.chaos.armed", self.name, *self.sabotages),
                cwd=ROOT,
                env={
                    "PATH": os.environ["PATH"],
                    **self.environment,
                    f"TALLYPORT_{here}_PORT": str(self.port),
                    **more,
                },
                stdin=asyncio.subprocess.PIPE,
                stdout=target,
                stderr=target,
            )
        self.starts += 1

    async def ready(self) -> None:
        """Wait until it says so."""

        async def probe() -> bool:
            assert self.is_alive, f"{self.label} died: {self.tail()}"
            return (await self.page("/readyz"))[0] == 200

        await until(probe, seconds=START_SECONDS, what=f"{self.label} to be ready")

    async def arm(self, failpoints: str) -> None:
        """Follow this plan of failpoints from now on; an empty one ends it."""
        await self.ready()
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{failpoints}\n".encode())
        await self._process.stdin.drain()

    async def passes(self, point: str, *, since: int = 0) -> None:
        """Wait until a failpoint that it is armed with has been reached, as its log tells from
        this byte on."""
        told = f'"point":"{point}"'.encode()

        async def probe() -> bool:
            return told in self.log.read_bytes()[since:]

        await until(probe, seconds=START_SECONDS, what=f"{self.label} to reach {point}")

    async def page(self, path: str) -> tuple[int, str]:
        """(status, text); (0, "") when nobody answers."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            timeout = aiohttp.ClientTimeout(total=5)
            async with aiohttp.request("GET", self.url + path, timeout=timeout) as response:
                return response.status, await response.text()
        return 0, ""

    async def kill(self) -> None:
        """SIGKILL, and its end."""
        self._signal(signal.SIGKILL)
        await self.ended()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    async def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self.terminate()
        return await self.ended()

    async def ended(self) -> int:
        """Its exit code, once it has ended; by force if it does not."""
        assert self._process is not None
        try:
            return await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            return await self._process.wait()

    def tail(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")[-3_000:]
        return ""

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
