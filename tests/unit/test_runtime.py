"""How a process starts and ends, in real processes; and the pages it shows its operator."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import aiohttp
import pytest

from shared.operations import Readiness, operations_server
from shared.runtime import background
from shared.settings import OperationsSettings
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]

SERVICE = """
import asyncio, sys, time
from pydantic import Field
from pydantic_settings import BaseSettings
from shared.runtime import background, run
from shared.settings import (
    BrokerSettings, DownloadSettings, FailpointSettings, OperationsSettings, TelemetrySettings,
    TracingSettings,
)

class Settings(BaseSettings):
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    operations: OperationsSettings = Field(default_factory=OperationsSettings)
    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    download: DownloadSettings = Field(default_factory=DownloadSettings)
    failpoints: FailpointSettings = Field(default_factory=FailpointSettings)

async def serve(settings, stop):
    print("ready", flush=True)
{body}

sys.exit(run(serve, Settings, service="sample"))
"""

GRACEFUL = "    await stop.wait()\n    print('drained', flush=True)"
STUBBORN = """
    await stop.wait()
    print('stopping', flush=True)
    await asyncio.Event().wait()
"""
DEAF = """
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            time.sleep(60)
"""
CRASHING = "    raise KeyError('what a day')"
HALF = """
    async def relay():
        raise OSError('the relay broke')
    async with background(relay=relay()):
        await stop.wait()
"""


@contextmanager
def running(body: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            SERVICE.format(body=textwrap.indent(textwrap.dedent(body), "    ")),
        ],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "TALLYPORT_BROKER_URL": "amqp://u:hunter2hunter2@h/",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


def test_traces_without_what_they_take_are_a_setting_that_is_wrong(tmp_path: Path) -> None:
    """The extra is installed here: another module of its name stands before it."""
    missing = "raise ModuleNotFoundError(\"No module named 'opentelemetry'\", name=__name__)"
    (tmp_path / "opentelemetry.py").write_text(missing)
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    collector = "http://127.0.0.1:4318"
    with running(GRACEFUL, OTEL_EXPORTER_OTLP_ENDPOINT=collector, PYTHONPATH=path) as process:
        _, told = process.communicate(timeout=30)
        assert process.returncode == 2
        assert "pip install 'tallyport[otel]'" in told
    switched_off = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_SDK_DISABLED": "true"}
    with running(GRACEFUL, **switched_off, PYTHONPATH=path) as process:
        assert _line(process.stdout) == "ready"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_gracefully(number: signal.Signals) -> None:
    with running(GRACEFUL) as process:
        assert _line(process.stdout) == "ready"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out.strip()) == (0, "drained")
        assert "process.crashed" not in err
        assert "process.cut_off" not in err


def test_after_the_deadline_it_is_cut_off() -> None:
    with running(STUBBORN, TALLYPORT_OPERATIONS_DRAIN_SECONDS="0.2") as process:
        assert _line(process.stdout) == "ready"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "process.cut_off" in err


def test_a_second_signal_cuts_it_off_at_once() -> None:
    with running(STUBBORN, TALLYPORT_OPERATIONS_DRAIN_SECONDS="600") as process:
        assert _line(process.stdout) == "ready"
        process.send_signal(signal.SIGTERM)
        assert _line(process.stdout) == "stopping"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=4) == 1


def test_one_that_does_not_even_listen_to_that_ends_by_force() -> None:
    with running(DEAF, TALLYPORT_OPERATIONS_DRAIN_SECONDS="0") as process:
        assert _line(process.stdout) == "ready"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 1


def test_a_crash_is_logged_and_is_1() -> None:
    with running(CRASHING) as process:
        _, err = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "process.crashed" in err
        assert "what a day" in err


def test_a_task_that_breaks_ends_the_process_by_name() -> None:
    with running(HALF) as process:
        _, err = process.communicate(timeout=20)
        assert process.returncode == 1
        lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
        assert [one["task"] for one in lines if one["event"] == "task.crashed"] == ["relay"]


def test_wrong_settings_are_named_as_an_operator_sets_them_without_values() -> None:
    wrong = {
        "TALLYPORT_BROKER_HEARTBEAT_SECONDS": "hunter2hunter2",
        "TALLYPORT_BROKER_URL": "",
    }
    with running(GRACEFUL, **wrong) as process:
        _, err = process.communicate(timeout=20)
        assert process.returncode == 2
        assert "TALLYPORT_BROKER_HEARTBEAT_SECONDS: Input should be a valid integer" in err
        assert "TALLYPORT_BROKER_URL: Field required" in err
        assert "hunter2" not in err
    with running(GRACEFUL, DOWNLOAD_LINK_SECONDS="0") as process:
        _, err = process.communicate(timeout=20)
        assert process.returncode == 2
        assert "DOWNLOAD_LINK_SECONDS: " in err


async def test_background_tasks_end_with_the_body() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with background(work=work()):
        await asyncio.sleep(0)
    assert ended.is_set()


async def test_a_background_task_that_ends_by_itself_ends_the_body() -> None:
    async def work() -> None:
        return None

    with pytest.raises(RuntimeError, match="work ended by itself"):
        async with background(work=work()):
            await asyncio.Event().wait()


async def test_an_error_of_the_body_is_raised_as_it_is() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    async def body() -> None:
        async with background(work=work()):
            raise KeyError

    with pytest.raises(KeyError):
        await body()


async def test_the_operations_pages() -> None:
    problem: str | None = None

    async def fine() -> str | None:
        return problem

    async def broken() -> str | None:
        raise ConnectionError("postgresql://user:hunter2@host/ is away")

    async def silent() -> str | None:
        await asyncio.Event().wait()
        return None

    checks = {"database": fine}
    async with (
        operations_server(OperationsSettings(port=0), checks) as readiness,
        aiohttp.ClientSession(f"http://127.0.0.1:{readiness.port}") as client,
    ):
        readiness._check_seconds = 0.1
        readiness._kept_seconds = 0

        async def ready() -> tuple[int, dict[str, object]]:
            async with client.get("/readyz") as response:
                return response.status, await response.json()

        async with client.get("/healthz") as response:
            assert response.status == 200
        assert await ready() == (200, {"ready": True})
        checks["broker"] = broken
        checks["bucket"] = silent
        status, found = await ready()
        assert status == 503
        assert found == {
            "ready": False,
            "problems": {
                "broker": "ConnectionError: postgresql://user:***@host/ is away",
                "bucket": "no answer within 0.1 s",
            },
        }
        del checks["broker"], checks["bucket"]
        assert (await ready())[0] == 200
        readiness.start_draining()
        assert await ready() == (
            503,
            {"ready": False, "problems": {"process": "shutting down"}},
        )
        async with client.get("/healthz") as response:
            assert response.status == 200
        async with client.get("/metrics") as response:
            assert "python_info" in await response.text()


async def test_readiness_is_found_once_however_many_ask() -> None:
    asked = 0
    begun, release = asyncio.Event(), asyncio.Event()

    async def counted() -> str | None:
        nonlocal asked
        asked += 1
        begun.set()
        await release.wait()
        return f"finding {asked}"

    readiness = Readiness({"database": counted}, kept_seconds=0.05)
    asking = [asyncio.create_task(readiness.problems()) for _ in range(100)]
    await begun.wait()
    # Whoever asked first hangs up, and the finding goes on.
    asking[0].cancel()
    release.set()
    found = await asyncio.gather(*asking[1:])
    assert found == [{"database": "finding 1"}] * 99
    assert await readiness.problems() == {"database": "finding 1"}

    async def found_anew() -> bool:
        return await readiness.problems() == {"database": "finding 2"}

    await until(found_anew, seconds=10, what="another finding")
    readiness.start_draining()
    assert await readiness.problems() == {"process": "shutting down"}
    assert asked == 2


async def test_a_check_that_does_not_give_up_holds_nobody_up_and_is_asked_once() -> None:
    """As a driver is that waits for a silent server, whoever cancels it."""
    begun = 0
    speaks = asyncio.Event()

    async def stubborn() -> str | None:
        nonlocal begun
        begun += 1
        while not speaks.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await speaks.wait()
        return None

    readiness = Readiness({"database": stubborn}, check_seconds=0.05, kept_seconds=0)
    async with asyncio.timeout(10):
        for _ in range(3):
            assert await readiness.problems() == {"database": "no answer within 0.05 s"}
    assert begun == 1
    speaks.set()

    async def well() -> bool:
        return await readiness.problems() == {}

    await until(well, seconds=10, what="the check to answer again")
