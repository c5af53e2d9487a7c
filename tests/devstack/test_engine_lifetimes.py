"""Engines start together, fail at once, and leave no process behind, however they end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from devstack import process_table
from devstack.engines import RunningEngines, start_engines, stop_engines
from devstack.errors import ChildDiedError
from devstack.processes import recorded

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
Until = Callable[[Callable[[], object], float], None]

OWNER = """
import signal, sys
from pathlib import Path
from devstack.temporary import temporary_engines
with temporary_engines(Path(sys.argv[1])) as running:
    print(running.run_dir, flush=True)
    signal.pause()
"""


def left_behind(folder: Path) -> list[str]:
    """Command lines of processes that have the folder in their environment or arguments."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            arguments = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in arguments + environment:
            found.append(f"{process.name} {arguments.decode(errors='replace')}")
    return found


def devstack(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "devstack", "engines", *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)


def test_the_command_line_starts_tells_and_stops(run_dir: Path) -> None:
    folder = ("--run-dir", str(run_dir))
    assert devstack("status", *folder).returncode == 3
    up = devstack("up", *folder)
    assert up.returncode == 0, up.stderr
    assert "PostgreSQL" in up.stdout
    assert left_behind(run_dir) != []  # they outlive the command
    assert devstack("status", *folder).returncode == 0
    running = start_engines(run_dir, durable=True)
    assert running.postgres.psql("SHOW fsync") == "on"
    assert running.postgres.settings.password not in up.stdout
    assert devstack("down", *folder).returncode == 0
    assert left_behind(run_dir) == []
    assert devstack("down", *folder).returncode == 0
    assert devstack("status", *folder).returncode == 3


async def test_two_run_folders_side_by_side(running: RunningEngines, run_dir: Path) -> None:
    with start_engines(run_dir, durable=False) as other:
        for each in (running, other):
            connection = await asyncpg.connect(each.engines.database_url)
            data = await connection.fetchval("SELECT current_setting('data_directory')")
            assert data == str(each.postgres.settings.data)
            await connection.close()
        assert running.postgres.settings.data != other.postgres.settings.data
        assert other.rabbitmq.ctl("list_queues", "name").split() in ([], ["name"])
        assert other.object_store.client().list_buckets()[0].name == "tallyport"
    assert left_behind(run_dir) == []
    assert running.postgres.psql("SELECT 1") == "1"


@pytest.mark.parametrize("name", ["rabbitmq", "swift-proxy"])
def test_an_engine_that_dies_while_starting_is_reported_at_once(
    run_dir: Path, until: Until, name: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        start = pool.submit(start_engines, run_dir, durable=False)
        until(lambda: name in recorded(run_dir), 30)
        process_table.send(recorded(run_dir)[name].process, signal.SIGKILL)
        with pytest.raises(ChildDiedError, match=f"{name} ended .*{name}.log"):
            start.result(timeout=15)
    assert left_behind(run_dir) == []
    # And the folder is not spoilt: the next start works, on the same data.
    start_engines(run_dir, durable=False).stop()


def test_an_engine_whose_port_was_taken_moves(run_dir: Path) -> None:
    first = start_engines(run_dir, durable=False)
    first.postgres.psql("CREATE TABLE kept (x int)", "tallyport")
    first.stop()
    taken = (
        first.postgres.settings.port,
        first.rabbitmq.settings.port,
        first.object_store.settings.ports[1],
    )
    strangers = [socket.create_server(("127.0.0.1", port)) for port in taken]
    try:
        with start_engines(run_dir, durable=False) as moved:
            assert moved.postgres.psql("SELECT count(*) FROM kept", "tallyport") == "0"
            assert moved.postgres.settings.port != taken[0]
            assert moved.rabbitmq.settings.port != taken[1]
            assert moved.object_store.settings.ports[1] != taken[2]
            assert start_engines(run_dir, durable=False).engines == moved.engines
    finally:
        for stranger in strangers:
            stranger.close()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_engines_of_tests_end_with_their_owner(
    tmp_path: Path, until: Until, signum: signal.Signals
) -> None:
    argv = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as owner:
        assert owner.stdout is not None
        run_dir = Path(owner.stdout.readline().strip())
        assert left_behind(run_dir) != []
        owner.send_signal(signum)
        owner.wait(60)
    until(lambda: left_behind(run_dir) == [] and not run_dir.exists(), 40)


def test_a_command_that_is_killed_half_way_is_cleaned_up(run_dir: Path, until: Until) -> None:
    argv = [sys.executable, "-m", "devstack", "engines", "up", "--run-dir", str(run_dir)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL) as command:
        until(lambda: "rabbitmq" in recorded(run_dir), 30)
        command.kill()
    assert left_behind(run_dir) != []
    stop_engines(run_dir)
    assert left_behind(run_dir) == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_told_to_end_cleans_up(
    run_dir: Path, until: Until, signum: signal.Signals
) -> None:
    argv = [sys.executable, "-m", "devstack", "engines", "up", "--run-dir", str(run_dir)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL) as command:
        until(lambda: "rabbitmq" in recorded(run_dir), 30)
        command.send_signal(signum)
        assert command.wait(60) in {130, 143}
    assert left_behind(run_dir) == []
