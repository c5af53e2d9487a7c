"""Child processes of a run: started in their order, ready when they say so, ended with the run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.counting.system import System
from devstack import ports

ROOT = Path(__file__).resolve().parent.parent.parent
END_SECONDS = 10.0


@contextmanager
def rivals(system: System, folder: Path) -> Iterator[dict[str, str]]:
    """The URLs of `plain`, `aio-pika` and `faststream`."""
    fronts = ("plain", "aio-pika", "faststream")
    listening = dict(zip(fronts, ports.reserve(system.stack.run_dir, len(fronts)), strict=True))
    arguments = [
        ["aio-pika-worker"],
        ["faststream-worker"],
        *([front, str(port)] for front, port in listening.items()),
    ]
    with (folder / "rivals.log").open("wb") as log:
        started: list[subprocess.Popen[bytes]] = []
        try:
            for argument in arguments:
                started.append(module(system, "bench.counting.rivals", argument, log.fileno()))
                _wait_ready(started[-1], argument[0])
            yield {front: f"http://127.0.0.1:{port}" for front, port in listening.items()}
        finally:
            for process in started:
                end(process)


def module(
    system: System,
    name: str,
    arguments: list[str],
    log: int,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """A module of ours as a process that knows the system's addresses."""
    return subprocess.Popen(  # noqa: S603 - modules of ours
        [sys.executable, "-m", name, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=log,
        env=os.environ
        | {
            "TALLYPORT_DATABASE_URL": system.database_url,
            "TALLYPORT_BROKER_URL": system.stack.engines.broker_url,
        }
        | dict(environment or {}),
    )


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_ready(process: subprocess.Popen[bytes], name: str) -> None:
    if process.stdout is None or not process.stdout.readline():
        raise SystemExit(f"{name} did not start: see rivals.log")
